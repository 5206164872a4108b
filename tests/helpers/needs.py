"""What tests need that may be missing on a machine, and what is done about it. The standard library only: it runs before all else.

`python tests/helpers/needs.py` says it, and ends with 1 where nothing can be done without it. Under CI=true nothing is skipped.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

CLUSTER_PACKAGES = (
    *("containerd", "runc", "containernetworking-plugins", "iptables", "socat", "openssl", "gcc", "libc6-dev", "procps"),
    *("util-linux", "iproute2", "python3"),
)
"""What tests/cluster/build.sh wants of Debian."""


@dataclass(frozen=True)
class Need:
    """Something that tests with the marker `marker` need: `missing` says what is not there, "" where all is.

    `remedy` is what a person does about it.
    """

    marker: str
    what: str
    missing: Callable[[], str]
    remedy: str

    @property
    def reason(self) -> str:
        """Why a test is skipped; "" where it is not."""
        missing = self.missing()
        return f"needs {missing}: {self.remedy}" if missing else ""


def _cluster() -> str:
    if os.environ.get("OCR_CLUSTER_BIN"):
        return ""
    if shutil.which("go") is None:
        return "Go"
    packages = _not_installed(CLUSTER_PACKAGES)
    return f"Debian's packages {' '.join(packages)}" if packages and not _is_root_of_debian() else ""


def _browser() -> str:
    return " and ".join(name for name in ("chromium", "chromedriver") if shutil.which(name) is None)


def _curl() -> str:
    return "" if shutil.which("curl") else "curl"


NEEDS = (
    Need(
        "api_server",
        "tests of the operator on an API server, of the chart and of the release",
        _cluster,
        "install Go 1.25 or newer, with which etcd, kube-apiserver and helm are built once (ten minutes), as root on Debian or with"
        f" its packages {' '.join(CLUSTER_PACKAGES)}; or name a folder of such binaries with OCR_CLUSTER_BIN",
    ),
    Need("browser", "tests of the page to try it, in a browser", _browser, "apt-get install chromium chromium-driver"),
    Need("curl", "the call that `ocr-serving start --try` prints", _curl, "apt-get install curl"),
)


def is_ci(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether everything has to run."""
    return environ.get("CI") == "true"


def report() -> tuple[list[str], bool]:
    """Lines for a person, and whether tests can run at all."""
    lines = []
    for need in NEEDS:
        missing = need.missing()
        if missing and is_ci():
            lines.append(f"Missing: {missing}, for {need.what}; they will fail, as CI=true. Remedy: {need.remedy}.")
        elif missing:
            lines.append(f"Missing: {missing}; skipped: {need.what}. To run them: {need.remedy}.")
    cannot = _no_venv()
    if cannot:
        lines.append(cannot)
    elif not Path(".venv").is_dir():
        if not importlib.util.find_spec("ensurepip"):
            lines.append("Installing Debian's package python3-venv, which its Python lacks.")
        lines.append("Making .venv with what tests need: some 300 MB from the package index, two minutes.")
    if not _cluster() and not os.environ.get("OCR_CLUSTER_BIN") and not (_cache() / "cluster" / "bin" / ".stamp").is_file():
        if packages := _not_installed(CLUSTER_PACKAGES):
            lines.append(f"Installing Debian's packages {' '.join(packages)}.")
        lines.append(f"Building an API server once with Go, in {_cache() / 'cluster'}: some ten minutes.")
    if not list(_cache().glob("parity-*/bin/python")):
        lines.append(f"Making an environment with paddleocr once, for parity tests, in {_cache()}: 1.4 GB.")
    return lines, not cannot


def _no_venv() -> str:
    """Why .venv cannot be made; "" where it can, or is there."""
    if Path(".venv").is_dir() or importlib.util.find_spec("ensurepip") or _is_root_of_debian():
        return ""
    return (
        "Missing: Python's venv module, without which nothing runs. Remedy: apt-get install python3-venv, or your system's equal."
    )


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocr-serving"


def _is_root_of_debian() -> bool:
    return os.getuid() == 0 and shutil.which("apt-get") is not None


def _not_installed(packages: tuple[str, ...]) -> list[str]:
    if shutil.which("dpkg-query") is None:
        return list(packages)
    command = ["dpkg-query", "-W", "-f", "${Package} ${Status}\n", *packages]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    there = {line.split()[0] for line in said.splitlines() if line.endswith("ok installed")}
    return [package for package in packages if package not in there]


def main() -> int:
    """Say it; 1 where nothing can run."""
    lines, possible = report()
    for line in lines:
        print(line, flush=True)
    return 0 if possible else 1


if __name__ == "__main__":
    sys.exit(main())
