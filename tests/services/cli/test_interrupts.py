"""A command that is interrupted finishes what it is writing, and gives way the second time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from ocr_serving.cli import interrupts


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in interrupts.SIGNALS}
    for number in interrupts.SIGNALS:
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupted(sent: signal.Signals, done: list[str], *, inside: bool) -> None:
    """Two documents are written, and a signal comes with the first, while it is held or not."""
    with interrupts.heeded() as held:
        with held():
            if inside:
                os.kill(os.getpid(), sent)
            done.append("the first")
        if not inside:
            os.kill(os.getpid(), sent)
        done.append("the second")


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("sent", interrupts.SIGNALS)
def test_what_is_held_is_done_to_the_end_and_nothing_after_it(sent: signal.Signals, inside: bool) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(sent, done, inside=inside)
    assert done == ["the first"]
    assert signal.getsignal(sent) is signal.SIG_DFL, "the second one ends the process"


def test_asked_again_it_ends_in_the_middle_of_what_is_held() -> None:
    done: list[str] = []

    def written() -> None:
        with interrupts.heeded() as held, held():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("the first half")
            os.kill(os.getpid(), signal.SIGINT)
            done.append("the second half")

    with pytest.raises(KeyboardInterrupt):
        written()
    assert done == ["the first half"]


def test_what_fails_after_a_signal_gives_way_as_well() -> None:
    def written() -> None:
        with interrupts.heeded() as held, held():
            os.kill(os.getpid(), signal.SIGTERM)
            raise OSError("no room")

    with pytest.raises(KeyboardInterrupt):
        written()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_signal_that_was_ignored_still_is_after_another() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt), interrupts.heeded():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_without_a_signal_all_is_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interrupts.heeded():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
