"""The virtual environments that peers live in: made on first use from the pins beside this file, whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.library.support import BenchmarkError

HERE = Path(__file__).parent


def python(name: str) -> Path:
    """The interpreter of the environment of NAME.txt, built first where it is missing. Raises BenchmarkError."""
    pins = HERE / f"{name}.txt"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocr-serving" / "peers"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:12]}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build(folder, pins)
    return folder / "bin" / "python"


def _build(folder: Path, pins: Path) -> None:
    # A virtual environment found by its `bin/python` survives a change of its name; its scripts do not, so none is called.
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    print(f"Building {folder} once …", file=sys.stderr, flush=True)
    pip = [str(partial / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--no-deps"]
    try:
        subprocess.run([sys.executable, "-m", "venv", partial], check=True)
        # What the pins name is all there is: some packages ask for a second and third copy of OpenCV.
        subprocess.run([*pip, "-r", str(pins)], check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as exc:
        raise BenchmarkError(f"{pins.stem} could not be installed from {pins.name} ({exc}).") from None
    partial.rename(folder)
