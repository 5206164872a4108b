"""Writes images/locked/: the pins of the images with the SHA-256 of every wheel that may be installed. `make lock` runs it.

pip tells the hashes, for each platform and Python that images are built for, from the package index that it is configured for; no
wheel is installed, and no address of an index is written down.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
LOCKED = HERE / "locked"
FILES: Mapping[str, Path] = {
    "build.txt": HERE / "requirements/build.txt",
    "cpu.txt": HERE / "requirements/cpu.txt",
    "gpu.txt": HERE / "requirements/gpu.txt",
    "operator.txt": HERE.parent / "operator/requirements.txt",
}
"""What is written in locked/, and where the pins of it are. paddlepaddle-gpu is on an index of its own: see base/Dockerfile."""

PYTHONS = ("3.11", "3.12")
"""Of python:3.11-slim-bookworm and Debian 12, and of Ubuntu 24.04, which CUDA's images are made of."""

MACHINES = ("x86_64", "aarch64")
GLIBC = ("2_36", "2_35", "2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17", "2_12", "2_5")
"""What a wheel may ask for; the images have 2.36 and 2.39."""

Hashes = dict[str, set[str]]


def pins(file: Path) -> dict[str, str]:
    """Package → version of a requirements file, with those of the files that it includes."""
    found: dict[str, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found |= pins(file.parent / line.removeprefix("-r "))
        elif pin := re.match(r"([A-Za-z0-9._-]+)==([^\s;#]+)", line):
            found[normalised(pin[1])] = pin[2]
    return found


def normalised(name: str) -> str:
    """A package's name as the index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(found: Mapping[str, str], hashes: Mapping[str, set[str]]) -> str:
    """A requirements file for `--require-hashes`."""
    lines = ["# Made by `make lock` from the pins of requirements/: not to be edited."]
    for name, version in sorted(found.items()):
        lines.append(" \\\n    ".join([f"{name}=={version}", *(f"--hash=sha256:{digest}" for digest in sorted(hashes[name]))]))
    return "\n".join(lines) + "\n"


def platforms() -> Iterator[tuple[str, str]]:
    """Each Python with each machine."""
    return ((python, machine) for python in PYTHONS for machine in MACHINES)


def report(found: Mapping[str, str], python: str, machine: str) -> Hashes | str:
    """Package → SHA-256 of its wheel for that Python and machine, as pip tells; or the name of one that has none."""
    tags = [f"--platform=manylinux_{version}_{machine}" for version in GLIBC]
    tags += [f"--platform=manylinux{name}_{machine}" for name in ("2014", "2010")]
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run", "--no-deps"]
        command += ["--ignore-installed", "--only-binary=:all:", f"--python-version={python}", f"--target={folder}/none"]
        command += [*tags, f"--report={told}", *(f"{name}=={version}" for name, version in found.items())]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            if lacking := re.search(r"No matching distribution found for ([\w.-]+)==", run.stderr):
                return normalised(lacking[1])
            raise SystemExit(f"lock: pip failed: {run.stderr.strip()[-500:]}")
        document = json.loads(told.read_bytes())
    return {
        normalised(entry["metadata"]["name"]): {entry["download_info"]["archive_info"]["hashes"]["sha256"]}
        for entry in document["install"]
    }


def hashes_of(found: Mapping[str, str]) -> tuple[Hashes, list[str]]:
    """Package → the SHA-256 of its wheels, and a sentence for each that has none for a platform."""
    hashes: Hashes = defaultdict(set)
    missing = []
    for python, machine in platforms():
        there = dict(found)
        while isinstance(told := report(there, python, machine), str):
            missing.append(f"{told}=={there.pop(told)} has no wheel for Python {python} on {machine}.")
        for name, digests in told.items():
            hashes[name] |= digests
    return hashes, missing


def main(names: Sequence[str]) -> int:
    """Write the files, or those named."""
    for name in names or FILES:
        found = pins(FILES[name])
        print(f"{name}: asking for {len(found)} packages on {len(PYTHONS) * len(MACHINES)} platforms …", flush=True)
        hashes, missing = hashes_of(found)
        if nowhere := sorted(found.keys() - hashes.keys()):
            print(f"{name} is left as it was: no wheel at all of {', '.join(nowhere)}.", file=sys.stderr)
            return 1
        (LOCKED / name).write_text(locked(found, hashes), encoding="utf-8")
        for sentence in missing:
            print(f"  {sentence}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
