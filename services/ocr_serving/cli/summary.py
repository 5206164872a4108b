"""What `convert`, `predict` and `client` say at the end: what was read, and each failure with its reason."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

SHOWN = 40
"""Failures in the table; the rest is counted."""

WIDEST = 60
"""Letters of the column of names."""


@dataclass
class Tally:
    """What became of the documents."""

    read: int = 0
    pages: int = 0
    skipped: int = 0
    failed: list[tuple[Path, str]] = field(default_factory=list)
    remarks: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """1 where a document, or a page of one, could not be read."""
        return 1 if self.failed else 0


def tell(tally: Tally, left_alone: Mapping[str, int], *, to_go: int | None = None, file: TextIO | None = None) -> None:
    """The end in a line on `file`, standard output if none is given; remarks and failures, one a row, before it on standard error.

    `left_alone` counts files that are no documents, by suffix. `to_go` says that the command was interrupted.
    """
    faults = {path for path, _ in tally.failed}
    for path, remark in tally.remarks:
        if path not in faults:
            print(f"{_plain(path)}: {remark}", file=sys.stderr)
    if tally.failed:
        rows = tally.failed[:SHOWN]
        width = min(WIDEST, max(len(_plain(path)) for path, _ in rows))
        print("\n".join(f"  {_plain(path):<{width}}  {_short(why, path)}" for path, why in rows), file=sys.stderr)
        if len(tally.failed) > SHOWN:
            print(f"  … and {len(tally.failed) - SHOWN} more", file=sys.stderr)
    parts = [f"{tally.read} read", f"{len(tally.failed)} failed", f"{tally.pages} pages"]
    if tally.skipped:
        parts.append(f"{tally.skipped} done before")
    if to_go is not None:
        parts.append(f"interrupted with {max(0, to_go)} to go: give the command again to go on")
    print(", ".join(parts) + others(left_alone) + ".", file=file)


def _plain(path: Path) -> str:
    """A name without what a terminal would do, such as change its colours."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(path))


def _short(why: str, path: Path) -> str:
    """A reason without the file's name at its beginning, which the row has."""
    return why.removeprefix(f"{path} ").removeprefix(f"{path}: ")


def others(left_alone: Mapping[str, int]) -> str:
    """The files that are no documents, as the end of a sentence; "" where there are none."""
    if not left_alone:
        return ""
    said = ", ".join(f"{count} {suffix}" for suffix, count in sorted(left_alone.items(), key=lambda item: (-item[1], item[0])))
    return f"; {sum(left_alone.values())} other files left alone ({said})"
