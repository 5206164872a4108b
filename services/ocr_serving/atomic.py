"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write `data` beside `path` and rename, so that nobody ever reads half a file.

    `mode` is the file's; None is what the umask leaves of 0o666. Raises OSError, and then leaves nothing behind.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # mkstemp makes files for the owner alone.
        beside.chmod(0o666 & ~_umask() if mode is None else mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
