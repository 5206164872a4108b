"""Environments of their own for programs of others: `python tests/helpers/environments.py parity` prints the interpreter of one.

Each lies in the user's cache, named after its pins, and is there completely or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parents[1]
REQUIREMENTS = {"parity": TESTS / "parity/requirements.txt", "clients": TESTS / "clients/requirements.txt"}
SIZES = {"parity": "1.4 GB", "clients": "0.8 GB"}
PACKAGE = TESTS / "clients/package.json"
"""What Node runs."""


def python(name: str) -> Path:
    """The interpreter of the environment `name`, built first where it is missing; progress goes to stderr."""
    pins = REQUIREMENTS[name].read_bytes() + sys.version.encode()

    def build(folder: Path) -> None:
        print(f"Building {folder.with_suffix('')} once ({SIZES[name]}) …", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--no-deps"]
        subprocess.run([*pip, "-r", str(REQUIREMENTS[name])], check=True, stdout=sys.stderr)

    return _built(f"{name}-{hashlib.sha256(pins).hexdigest()[:12]}", build) / "bin" / "python"


def node_folder() -> Path:
    """A folder with the packages of tests/clients/package.json in its node_modules."""

    def build(folder: Path) -> None:
        folder.mkdir()
        shutil.copy(PACKAGE, folder / "package.json")
        command = ["npm", "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)

    return _built(f"clients-node-{hashlib.sha256(PACKAGE.read_bytes()).hexdigest()[:12]}", build)


def _built(name: str, build: Callable[[Path], None]) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocr-serving"
    folder = cache / name
    cache.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            # A virtual environment found by its `bin/python` survives a change of its name.
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            build(partial)
            partial.rename(folder)
    return folder


if __name__ == "__main__":
    print(node_folder() if sys.argv[1] == "node" else python(sys.argv[1]))
