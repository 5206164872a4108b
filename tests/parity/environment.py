"""Makes the environment paddleocr 2.10 runs in: `python tests/parity/environment.py` prints its interpreter.

It lies in the user's cache, named after its pins, and is there completely or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements.txt"


def python() -> Path:
    """The interpreter of the environment, built first where it is missing; progress goes to stderr."""
    pins = REQUIREMENTS.read_bytes() + sys.version.encode()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocr-serving"
    folder = cache / f"parity-{hashlib.sha256(pins).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build(folder)
    return folder / "bin" / "python"


def _build(folder: Path) -> None:
    # A virtual environment found by its `bin/python` survives a change of its name.
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    print(f"Building {folder} once (1.4 GB) …", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", partial], check=True)
    pip = [str(partial / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--no-deps"]
    subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True, stdout=sys.stderr)
    partial.rename(folder)


if __name__ == "__main__":
    print(python())
