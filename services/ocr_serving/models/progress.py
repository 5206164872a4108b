"""How a pull tells what it is doing; the command line draws it, a server stays silent."""

from typing import Protocol


class Progress(Protocol):
    """What `pull` reports: lines of text, and one transfer at a time."""

    def note(self, text: str) -> None:
        """One line for the user."""

    def begin(self, what: str, total: int | None) -> None:
        """A transfer of `total` bytes starts, or goes on over a new connection; None where nobody knows."""

    def update(self, done: int) -> None:
        """`done` bytes of it are here, counted from its start; it may fall when a server makes us start again."""

    def end(self) -> None:
        """The transfer, if one began, is over, well or not."""


class Silent:
    """Reports nothing."""

    def note(self, text: str) -> None: ...

    def begin(self, what: str, total: int | None) -> None: ...

    def update(self, done: int) -> None: ...

    def end(self) -> None: ...
