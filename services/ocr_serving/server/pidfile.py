"""Where a running service leaves its process id, for `ocr-serving stop` and the health check to find."""

import os
from pathlib import Path

from ocr_serving.healthy import run_dir


def pidfile(port: int) -> Path | None:
    """Where `stop` will look; None where nothing can be written, as in a container with a read-only root.

    A file there that names no service of ours, left by one that was killed, goes: its number may be another process's by now.
    """
    folder = run_dir()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid() or not os.access(folder, os.W_OK):
            return None
        file = folder / f"{port}.pid"
        if file.exists() and service_in(file) is None:
            file.unlink()
    except OSError:
        return None
    return file


def service_in(file: Path) -> int | None:
    """The process id that a file names, if that is a service of this package that runs."""
    try:
        pid = int(file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    ours = any(word in (b"ocr_serving.cli",) or word.endswith((b"/ocr-serving", b"/ocr_serving/cli/__main__.py")) for word in words)
    return pid if ours and b"start" in words and runs(pid) else None


def runs(pid: int) -> bool:
    """Whether a process is there and is more than an exit code its parent has not fetched."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
