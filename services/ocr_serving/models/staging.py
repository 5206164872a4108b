"""A place beside the models where a new one is put together, and the lock that keeps two pulls apart.

Nothing under a model's own name is ever half there: a model is written, hashed and flushed to disk in `.staging`, then
renamed. Whoever holds the lock knows that whatever lies in `.staging` was left by a pull that died.
"""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ocr_serving.errors import ModelError
from ocr_serving.models.progress import Progress
from ocr_serving.models.store import Manifest, write_manifest

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class Staging:
    """The staging folder of a store whose lock is held."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".staging"

    def part(self, sha256: str) -> Path:
        """Where the bytes of an unfinished download wait; named by their hash, so that a later pull may go on."""
        return self.folder / f"{sha256}.part"

    def check(self) -> None:
        """Raises ModelError where somebody made the staging folder lead elsewhere: what is swept there would be theirs."""
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise ModelError(f"{self.folder} is a link or a file, not a folder; remove it, and look who may write there.")

    def new(self, name: str) -> Path:
        """An empty folder to work in."""
        folder = self.folder / name
        _remove(folder)
        folder.mkdir(parents=True)
        return folder

    def sweep(self, keep: set[Path]) -> None:
        """Remove what earlier pulls left, save the unfinished downloads in `keep`."""
        if self.folder.is_dir():
            for entry in self.folder.iterdir():
                if entry not in keep or not entry.is_file() or entry.is_symlink():
                    _remove(entry)
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    def commit(self, staged: Path, name: str, manifest: Manifest) -> None:
        """Put a finished folder in the place of `name`; an older one there goes."""
        write_manifest(staged, manifest)
        for path in staged.rglob("*"):
            _flush(path)
        _flush(staged)
        target = self.root / name
        if target.exists():
            target.rename(self.new("replaced") / name)
        staged.rename(target)
        _flush(self.root)
        _remove(self.folder / "replaced")


@contextlib.contextmanager
def locked(root: Path, progress: Progress, keep: set[str]) -> Iterator[Staging]:
    """Hold the lock of the store `root`, made if need be; waits while another process pulls.

    `keep` has the hashes of downloads that may go on where an earlier pull stopped. Errors of the file system inside
    the block become a ModelError of one sentence.
    """
    with _one_sentence(root):
        root.mkdir(parents=True, exist_ok=True)
        with open(root / ".lock", "a", opener=_no_link) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.note(f"another pull is at work in {root}; waiting for it to end")
                fcntl.flock(lock, fcntl.LOCK_EX)
            staging = Staging(root)
            staging.check()
            parts = {staging.part(sha256) for sha256 in keep}
            staging.sweep(keep=parts)
            try:
                yield staging
            finally:
                with contextlib.suppress(OSError):
                    staging.sweep(keep=parts)


@contextlib.contextmanager
def _one_sentence(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        where = Path(exc.filename or root)
        ours = where == root or root in where.parents or where in root.parents
        if exc.errno in _FULL:
            text = f"The disk that holds {root} is full; free some space, or set OCR_SERVING_MODELS to another disk."
        elif exc.errno in _FORBIDDEN and ours:
            text = f"Cannot write to {where} ({exc.strerror}); set OCR_SERVING_MODELS to a folder you may write to."
        else:
            text = f"Cannot keep models in {root}: {where}: {exc.strerror or exc}."
        raise ModelError(text) from None


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
