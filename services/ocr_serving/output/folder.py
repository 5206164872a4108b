"""A folder of documents and the folder they are converted into: what there is, what it will be called, what is done already."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from ocr_serving import atomic
from ocr_serving.errors import InputError

SUFFIXES = (".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pdf", ".png", ".tif", ".tiff", ".webp")

JOURNAL = ".ocr-serving.jsonl"
"""In the folder that is written: a line of JSON for each document done."""


class NoRoomError(InputError):
    """The disk is full: nothing more can be written."""


@dataclass(frozen=True)
class Source:
    """A document: its file, and where it goes in the folder that is written, without a suffix."""

    file: Path
    target: PurePath


@dataclass(frozen=True)
class FoundFiles:
    """What a folder holds: documents in the order of their names, other files by suffix, what cannot be read and why."""

    sources: tuple[Source, ...]
    others: Mapping[str, int]
    unreadable: tuple[tuple[Path, str], ...] = ()


def found(paths: Sequence[Path], out: Path | None = None) -> FoundFiles:
    """The documents in `paths`, files or folders, with all their folders inside; `out` and what is in it is none of them.

    A file that is named is a document, whatever its suffix. Links to folders are not followed, but counted. Raises InputError where
    a path is not there.
    """
    files: list[tuple[Path, PurePath]] = []
    others: Counter[str] = Counter()
    unreadable: list[tuple[Path, str]] = []
    for path in paths:
        mode = _mode(path)
        if isinstance(mode, int) and stat.S_ISDIR(mode):
            for file in _walk(path, os.path.realpath(out) if out else None, unreadable, others):
                if file.suffix.lower() in SUFFIXES:
                    files.append((file, PurePath(file.relative_to(path))))
                else:
                    others[file.suffix.lower() or "no suffix"] += 1
        elif isinstance(mode, int):
            files.append((path, PurePath(path.name)))
        elif isinstance(mode, str):
            raise InputError(f"{path} cannot be read: {mode}: let it be read, or name another.")
        else:
            raise InputError(f"{path} does not exist: name a document or a folder of them.")
    return FoundFiles(tuple(_named(files)), dict(+others), tuple(unreadable))


def _mode(path: Path) -> int | str | None:
    """The mode of what a path leads to; why it cannot be told, None where nothing is there."""
    try:
        return path.stat().st_mode
    except OSError as exc:
        return None if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP) else str(exc.strerror)


def _is_link(path: Path) -> bool:
    """Whether a path is a link; not where that cannot be told, in a folder that may be listed and not entered."""
    try:
        return path.is_symlink()
    except OSError:
        return False


def _walk(folder: Path, out: str | None, unreadable: list[tuple[Path, str]], others: Counter[str]) -> Iterator[Path]:
    def note(exc: OSError) -> None:
        unreadable.append((Path(exc.filename), f"cannot be read: {exc.strerror}"))

    for here, folders, names in os.walk(folder, onerror=note):
        place = Path(here)
        # In place, so that os.walk goes there in order, and not where results are written.
        folders[:] = sorted(name for name in folders if os.path.realpath(place / name) != out)
        others["link to a folder"] += sum(_is_link(place / name) for name in folders)
        for name in sorted(names):
            file = place / name
            mode = _mode(file)
            if not isinstance(mode, int):
                unreadable.append((file, f"cannot be read: {mode}" if mode else "is a link to nothing"))
            elif stat.S_ISREG(mode) and file.name != JOURNAL:
                yield file
            elif file.name != JOURNAL:
                others["no plain file"] += 1


def _named(files: Sequence[tuple[Path, PurePath]]) -> Iterator[Source]:
    """Each file with a name of its own: where two differ in their suffix alone, it is in the name."""
    stems = Counter(str(path.with_suffix("")).casefold() for _, path in files)
    taken: set[str] = set()
    for file, path in files:
        target = path.with_suffix("")
        if stems[str(target).casefold()] > 1:
            target = path.with_name(f"{path.stem}_{path.suffix[1:]}")
        while str(target).casefold() in taken:
            target = target.with_name(target.name + "_")
        taken.add(str(target).casefold())
        yield Source(file, target)


@dataclass(frozen=True)
class State:
    """A file as it was when it was converted."""

    size: int
    changed_ns: int

    @classmethod
    def of(cls, file: Path) -> State:
        """The file as it is now. Raises OSError."""
        about = file.stat()
        return cls(about.st_size, about.st_mtime_ns)


class Journal:
    """What is done in the folder `out`: kept there, a line for each document, the last one of a document counts."""

    def __init__(self, out: Path, options: str) -> None:
        """`options` says how documents are converted: what was converted otherwise is not done."""
        self._out, self._options = out, options
        self._done: dict[str, tuple[State, str, list[str]]] = {}
        self._path = out / JOURNAL
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        for line in lines:
            try:
                entry = json.loads(line)
                state = State(entry["size"], entry["changed_ns"])
                self._done[entry["target"]] = (state, entry["options"], list(entry["files"]))
            except (ValueError, KeyError, TypeError):
                # A line that a crash cut off: that document is done again.
                continue

    def is_done(self, source: Source, state: State) -> bool:
        """Whether `source` was converted as it is now and as it would be now, and all its files are there."""
        known = self._done.get(source.target.as_posix())
        return known is not None and known[:2] == (state, self._options) and all((self._out / name).exists() for name in known[2])

    def note(self, source: Source, state: State, files: Sequence[str]) -> None:
        """Keep that `source` is done. Raises InputError where that cannot be written."""
        target = source.target.as_posix()
        self._done[target] = (state, self._options, list(files))
        entry = {
            "target": target,
            "size": state.size,
            "changed_ns": state.changed_ns,
            "options": self._options,
            "files": list(files),
        }
        try:
            with self._path.open("a", encoding="utf-8") as file:
                # Names that are no text are escaped.
                file.write(json.dumps(entry) + "\n")
        except OSError as exc:
            raise InputError(f"{self._path} cannot be written: {exc.strerror}.") from None


def write(out: Path, target: PurePath, made: Mapping[str, bytes], read: Collection[Path] = ()) -> list[str]:
    """Write the files of a document beside each other, none of them half; their names in `out`.

    None is written over one of the documents that are `read`, resolved paths. Raises InputError, NoRoomError.
    """
    folder = out / target.parent
    names = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in made:
            if Path(os.path.realpath(folder / name)) in read:
                raise InputError(f"{folder / name} is a document that is read, and would be written over: name another --output.")
        for name, content in made.items():
            atomic.write(folder / name, content)
            names.append((target.parent / name).as_posix())
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoomError(f"{folder} cannot be written: {exc.strerror}: make room, and give the command again.") from None
        raise InputError(f"{folder} cannot be written: {exc.strerror}.") from None
    return names
