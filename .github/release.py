"""Builds what a release publishes into dist/: `make release`, or `make release DRY_RUN=1`, which publishes nothing.

Wheels and source archives of each distribution, the chart's archive, bills of materials, the references of all images, SHA256SUMS.
Without DRY_RUN the images and the chart are pushed to REGISTRY afterwards; the packages are published by the workflow alone, whose
identity the index trusts.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

sys.path.insert(0, str(ROOT))

from charts.generate import helm  # noqa: E402

FLAVORS = ("cpu", "gpu")
GLIBC = (36, 35, 34, 31, 28, 27, 26, 24, 17)
ARM = [*(f"--platform=manylinux_2_{minor}_aarch64" for minor in GLIBC), "--platform=manylinux2014_aarch64"]
ARM_PYTHON = {"cpu.txt": "3.11", "gpu.txt": "3.12", "operator.txt": "3.11"}
"""What images of the flavour have, by the file in images/locked/."""


class ReleaseError(Exception):
    """What keeps the release from being made, as a sentence."""


def run(*command: str | Path, quiet: bool = True, **environment: str) -> str:
    """Standard output of a command. Raises ReleaseError with its last words where it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode:
        words = [line for line in ((done.stderr or "") + (done.stdout or "")).splitlines() if line.strip()][-5:]
        raise ReleaseError(
            f"{Path(command[0]).name} {command[1]} failed: {' / '.join(words) or f'it ended with {done.returncode}'}"
        )
    return done.stdout or ""


def distributions() -> list[Path]:
    """The folders of the Python distributions."""
    return sorted(file.parent for file in ROOT.glob("*/pyproject.toml"))


def versions() -> dict[str, str]:
    """Each place that states the version → what it states."""
    stated = {}
    for folder in distributions():
        for package in sorted(folder.glob("*/__init__.py")):
            if found := re.search(r'^__version__ = "(.+)"$', package.read_text(encoding="utf-8"), re.MULTILINE):
                stated[str(package.relative_to(ROOT))] = found[1]
    chart = (ROOT / "charts/ocr-serving/Chart.yaml").read_text(encoding="utf-8")
    for key in ("version", "appVersion"):
        found = re.search(rf'^{key}: "?([^"\s]+)"?$', chart, re.MULTILINE)
        stated[f"charts/ocr-serving/Chart.yaml, {key}"] = found[1] if found else "nothing"
    return stated


def one_version(tag: str | None) -> str:
    """The version to be released. Raises ReleaseError where places, or the tag, differ."""
    stated = versions()
    said = set(stated.values())
    if len(said) > 1:
        raise ReleaseError("the versions differ: " + "; ".join(f"{where} says {version}" for where, version in stated.items()))
    version = said.pop()
    if tag is not None and tag != f"v{version}":
        raise ReleaseError(f"the tag is {tag}, but the version is {version}: tag v{version}, or correct the version")
    return version


def packages(out: Path) -> None:
    """Wheel and source archive of each distribution. Raises ReleaseError where one lacks files of its package."""
    for folder in distributions():
        with tempfile.TemporaryDirectory() as made:
            # A copy, since setuptools puts files of an earlier build into the next wheel.
            source = Path(made) / folder.name
            shutil.copytree(folder, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
            shutil.copy(ROOT / "LICENSE", source)
            shutil.copy(ROOT / "NOTICE", source)
            run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source)
        name = re.search(r'^name = "(.+)"$', (folder / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
        assert name is not None
        (wheel,) = out.glob(f"{name[1].replace('-', '_')}-[0-9]*.whl")
        if lacking := sorted(tracked(folder) - set(zipfile.ZipFile(wheel).namelist())):
            raise ReleaseError(
                f"{wheel.name} lacks {', '.join(lacking[:5])}: name it in package-data of {folder.name}/pyproject.toml"
            )


def tracked(folder: Path) -> set[str]:
    """The files that git knows of the packages in `folder`, as paths in a wheel."""
    listed = run("git", "ls-files", "--", *(str(package.parent.relative_to(ROOT)) for package in folder.glob("*/__init__.py")))
    return {str(Path(line).relative_to(folder.name)) for line in listed.splitlines()}


def chart(out: Path) -> Path:
    """The chart's archive; beside it its provenance, which `helm verify` takes, where SIGN_KEY names the key to sign with.

    SIGN_KEYRING is the file of `gpg --export-secret-keys` that has it, SIGN_PASSPHRASE_FILE its passphrase. Raises ReleaseError.
    """
    signing: list[str | Path] = []
    if key := os.environ.get("SIGN_KEY"):
        keyring = os.environ.get("SIGN_KEYRING")
        if not keyring:
            raise ReleaseError("SIGN_KEY is set, but not SIGN_KEYRING: name the file of gpg --export-secret-keys that has the key")
        signing = ["--sign", "--key", key, "--keyring", keyring]
        if passphrase := os.environ.get("SIGN_PASSPHRASE_FILE"):
            signing += ["--passphrase-file", passphrase]
    run(helm(), "package", "charts/ocr-serving", "--destination", out, *signing)
    (archive,) = out.glob("ocr-serving-*.tgz")
    if not signing:
        print("the chart is not signed: SIGN_KEY names no key", flush=True)
    with tarfile.open(archive) as packed:
        assert "ocr-serving/Chart.yaml" in packed.getnames()
    return archive


def references() -> Iterator[str]:
    """What the images of all modules and flavours, and the operator, are called."""
    for flavor in FLAVORS:
        yield from run(ROOT / "images/build.sh", "--names", FLAVOR=flavor).splitlines()


def resolves_on_arm() -> None:
    """Have pip find, by their hashes, every package of the images for aarch64. Raises ReleaseError where one is not there."""
    for file, python in ARM_PYTHON.items():
        with tempfile.TemporaryDirectory() as none:
            run(
                *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--ignore-installed"),
                *("--disable-pip-version-check", "--require-hashes", "--only-binary=:all:", f"--target={none}"),
                *(f"--python-version={python}", *ARM, f"--requirement={ROOT}/images/locked/{file}"),
            )


def sums(out: Path) -> str:
    """SHA256SUMS of the files in `out`, as sha256sum writes it."""
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(out)}\n" for path in files)


def push(archive: Path) -> None:
    """Push images and chart to REGISTRY."""
    registry = os.environ.get("REGISTRY")
    if not registry:
        raise ReleaseError("REGISTRY says where images and chart go: set it, or DRY_RUN=1")
    for flavor in FLAVORS:
        run(ROOT / "images/build.sh", quiet=False, FLAVOR=flavor, PUSH="1")
    # What is beside the archive, its provenance, goes with it.
    run(helm(), "push", archive, f"oci://{registry}/{os.environ.get('REPOSITORY', 'ocr-serving')}/charts")


def main(arguments: Sequence[str]) -> int:
    """Build everything; publish it unless told not to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="the folder to build into, which is emptied first")
    parser.add_argument("--tag", help="the tag of the release, which must be v and the version")
    parser.add_argument("--dry-run", action="store_true", help="publish nothing")
    args = parser.parse_args(arguments)
    out = args.out.absolute()
    try:
        version = one_version(args.tag)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        print(f"ocr-serving {version}: packages …", flush=True)
        packages(out)
        print("the chart …", flush=True)
        archive = chart(out)
        print("bills of materials …", flush=True)
        run(sys.executable, "images/sbom.py", "--out", out / "sbom")
        (out / "images.txt").write_text("\n".join(dict.fromkeys(references())) + "\n", encoding="utf-8")
        print("packages for arm64 …", flush=True)
        resolves_on_arm()
        (out / "SHA256SUMS").write_text(sums(out), encoding="utf-8")
        if not args.dry_run:
            push(archive)
    except ReleaseError as exc:
        print(f"release: {exc}.", file=sys.stderr)
        return 1
    print(
        f"{sum(path.is_file() for path in out.rglob('*'))} files in {out}" + ("; nothing was published." if args.dry_run else ".")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
