"""How a pull tells what it is doing."""

from typing import Any, Protocol

from tqdm import tqdm


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
    """Report nothing."""

    def note(self, text: str) -> None: ...

    def begin(self, what: str, total: int | None) -> None: ...

    def update(self, done: int) -> None: ...

    def end(self) -> None: ...


class Bar:
    """Draw a pull on the terminal: notes on standard output, bars on standard error."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def note(self, text: str) -> None:
        tqdm.write(text)

    def begin(self, what: str, total: int | None) -> None:
        if self._bar is None:
            self._bar = tqdm(desc=what, total=total, unit="B", unit_scale=True, leave=False)
        self._bar.total = total
        self._bar.refresh()

    def update(self, done: int) -> None:
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
