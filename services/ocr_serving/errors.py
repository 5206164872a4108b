"""Errors a user may read: the text of each is one sentence that says what is wrong and what to do.

Each class carries the HTTP code that it is answered with, and each error whether, and when, asking once more makes sense.
"""

from __future__ import annotations

from typing import ClassVar

SOON_S = 5
"""Seconds after which a caller may ask again, where nothing better is known."""


class ServingError(Exception):
    """Base of every error whose text is meant for a user; anything else is a fault of ours."""

    code: ClassVar[int] = 500
    retry_after: int | None = None
    """Seconds after which the same request may be answered; None where it would fail again."""


class InputError(ServingError):
    """The caller sent something `predict` does not take: status "101", HTTP 400."""

    code = 400


class TooLargeError(InputError):
    """The caller sent more than a limit allows: status "101", HTTP 413."""

    code = 413


class GoneError(InputError):
    """Nobody waits for the answer any more."""


class ConfigError(ServingError):
    """A configuration that cannot be served; refused before anything starts."""


class ModelError(ServingError):
    """A model that is not there, is damaged, or is not what the stage needs."""


class CrashedError(ServingError):
    """A worker process died on this very request, which may well do it again: HTTP 500."""


class UnavailableError(ServingError):
    """Nothing is wrong with the request, but it cannot be answered now: HTTP 503."""

    code = 503

    def __init__(self, reason: str, retry_after: int | None = SOON_S) -> None:
        """`retry_after`: seconds after which to ask again, or None where it would fail again."""
        super().__init__(reason)
        self.retry_after = retry_after


class FullError(UnavailableError):
    """As much waits already as may."""


class LateError(UnavailableError):
    """The deadline passed first."""


class LostError(UnavailableError):
    """What was to answer died on the way, of something else than this request."""


class MemoryShortError(UnavailableError):
    """The request takes more memory than its process has."""

    def __init__(self, reason: str, retry_after: int | None = None) -> None:
        """It would take as much again, so nobody is asked to try."""
        super().__init__(reason, retry_after)
