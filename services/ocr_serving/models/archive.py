"""Taking an archive apart without trusting it: no way out of the folder, no links, no devices, no bombs."""

import errno
import gzip
import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from ocr_serving.errors import ModelError
from ocr_serving.models.checked import CHUNK

MAX_FILES = 10_000
MAX_BYTES = 16 << 30
_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error),
    # What the readers themselves stumble over in headers that lie.
    *(EOFError, NotImplementedError, RuntimeError, ValueError, LookupError, OverflowError),
)
_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")


def is_archive(name: str) -> bool:
    """Whether a file of this name is one that `unpack` takes."""
    return name.lower().endswith(_SUFFIXES)


def unpack(archive: Path, into: Path, *, name: str, max_bytes: int = MAX_BYTES) -> None:
    """Write the files of a .zip, .tar or .tar.gz into the empty folder `into`.

    `name` says which of them it is. A single folder at the top, as `xx_infer/` in PaddleOCR's, is left out of the paths.
    Raises ModelError for a damaged or empty archive and for one with a path out of the folder, a link or device, two
    members of one path, more than `MAX_FILES` files or more than `max_bytes` unpacked; part of it may then be in `into`.
    """
    room, count = max_bytes, 0
    try:
        for member, size, stream in _members(archive, name):
            target = into.joinpath(*_safe_parts(member, name))
            count, room = count + 1, room - size
            if count > MAX_FILES or room < 0:
                raise ModelError(f"{name} unpacks to more than {MAX_FILES} files or {max_bytes} bytes; that is no model.")
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as out:
                    shutil.copyfileobj(stream, out, CHUNK)
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                raise ModelError(f"{name} holds {member} twice; pack it again.") from None
    except _DAMAGED as exc:
        raise _damaged(name, exc) from None
    except OSError as exc:
        # bz2 says so of a stream that is none, seek of an offset that is none; other numbers are the file system's.
        if exc.errno not in (None, errno.EINVAL):
            raise
        raise _damaged(name, exc) from None
    if not count:
        raise ModelError(f"{name} holds no file; pack the model's files into it.")
    _lift_single_folder(into)


def _damaged(name: str, exc: Exception) -> ModelError:
    return ModelError(f"{name} is damaged or not the archive its name says ({str(exc)[:200]}); pack it again.")


def _members(archive: Path, name: str) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Path, size and bytes of each file; a reader never gives more bytes than the size."""
    if name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as pack:
            for info in pack.infolist():
                if (info.external_attr >> 16) & 0o170000 not in {0, 0o100000, 0o040000}:
                    raise ModelError(f"{name} holds a link or device ({info.filename}); pack the files themselves.")
                if not info.is_dir():
                    with pack.open(info) as stream:
                        yield info.filename, info.file_size, stream
        return
    with tarfile.open(archive, "r:" if name.lower().endswith(".tar") else "r:gz") as tar:
        for entry in tar:
            if entry.isdir():
                continue
            content = tar.extractfile(entry) if entry.isreg() else None
            if content is None:
                raise ModelError(f"{name} holds a link or device ({entry.name}); pack the files themselves.")
            with content:
                yield entry.name, entry.size, content


def _safe_parts(member: str, name: str) -> tuple[str, ...]:
    parts = tuple(part for part in PurePosixPath(member).parts if part != ".")
    if not parts or not member.isprintable() or member.startswith("/") or ".." in parts or set(member) & {"\\", ":"}:
        raise ModelError(f"{name} holds the unsafe path {member!r}; pack it with plain relative paths.")
    return parts


def _lift_single_folder(folder: Path) -> None:
    entries = list(folder.iterdir())
    if len(entries) != 1 or not entries[0].is_dir():
        return
    # Out of the way first: it may hold something of its own name.
    only = entries[0].rename(folder.with_name(folder.name + ".lifted"))
    folder.rmdir()
    only.rename(folder)
    _lift_single_folder(folder)
