"""Ctrl-C and SIGTERM: a command ends in good order, between two documents, and at once when asked again."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

Held = Callable[[], contextlib.AbstractContextManager[None]]
"""What is done inside is done to the end before an interrupt is heeded."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def heeded() -> Iterator[Held]:
    """SIGTERM, as a service manager or a shell's `timeout` sends it, raises KeyboardInterrupt as Ctrl-C does; the second one kills.

    Has to be in the main thread.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    # A job in the background of a shell is told to ignore Ctrl-C.
    heeds = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
    is_held = came = False

    def stop(*_: object) -> None:
        nonlocal came
        is_asked_again, came = came, True
        if is_asked_again or not is_held:
            leave()

    def leave() -> None:
        for number in heeds:
            signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def held() -> Iterator[None]:
        nonlocal is_held
        is_held = True
        try:
            yield
        finally:
            is_held = False
            if came:
                leave()

    for number in heeds:
        signal.signal(number, stop)
    try:
        yield held
    finally:
        if not came:
            for number in heeds:
                signal.signal(number, before[number])
