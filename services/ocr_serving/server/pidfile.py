"""Where a running service leaves its process id, for `ocr-serving stop` and the health check to find."""

import os
from pathlib import Path

from ocr_serving.healthy import run_dir


def pidfile(port: int) -> Path | None:
    """Where `stop` will look; None where nothing can be written, as in a container with a read-only root."""
    folder = run_dir()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or not os.access(folder, os.W_OK):
            return None
    except OSError:
        return None
    return folder / f"{port}.pid"


def runs(pid: int) -> bool:
    """Whether a process is there and is more than an exit code its parent has not fetched."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
