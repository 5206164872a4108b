"""What a request spends its time on, noted where it is spent: spans, as OpenTelemetry calls them.

Worker and engine processes note plain data, of requests that are traced; the front makes spans of it (`server/tracing.py`). Where
nothing is noted, `span` costs a look at one variable.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from types import MappingProxyType

MOST = 500
"""Spans that are kept of one request; of further ones only the number is told."""

Value = str | int | float | bool


@dataclass(frozen=True)
class Span:
    """Something that took from `begin_ns` to `end_ns`, in nanoseconds since the epoch.

    `parent` is the index of the one that it is a part of in the list that it stands in, always a smaller one; -1 for none.
    """

    name: str
    begin_ns: int
    end_ns: int
    parent: int = -1
    attributes: Mapping[str, Value] = field(default_factory=dict)


class Recorder:
    """The spans of one request in one process."""

    def __init__(self, traceparent: str) -> None:
        """`traceparent` names, as W3C Trace Context has it, what all of them are a part of."""
        self.traceparent = traceparent
        self.left_out = 0
        self._spans: list[Span] = []
        self._open: list[int] = []

    @property
    def spans(self) -> tuple[Span, ...]:
        """All that were noted, in the order in which they began."""
        return tuple(self._spans)

    @contextlib.contextmanager
    def span(self, name: str, attributes: Mapping[str, Value]) -> Iterator[None]:
        """Note what is done inside."""
        if len(self._spans) >= MOST:
            self.left_out += 1
            yield
            return
        index = len(self._spans)
        begun = Span(name, time.time_ns(), 0, self._open[-1] if self._open else -1, dict(attributes))
        self._spans.append(begun)
        self._open.append(index)
        try:
            yield
        finally:
            self._open.pop()
            self._spans[index] = replace(begun, end_ns=time.time_ns())

    def add(self, spans: Sequence[Span]) -> None:
        """Spans of another process, as parts of what is going on now."""
        kept = spans[: MOST - len(self._spans)]
        self.left_out += len(spans) - len(kept)
        first, above = len(self._spans), self._open[-1] if self._open else -1
        self._spans += [replace(span, parent=above if span.parent < 0 else first + span.parent) for span in kept]


_RECORDER: ContextVar[Recorder | None] = ContextVar("recorder", default=None)
_OFF: AbstractContextManager[None] = contextlib.nullcontext()


def span(name: str, attributes: Mapping[str, Value] = MappingProxyType({})) -> AbstractContextManager[None]:
    """Note what is done inside as a span of the request at hand, where that is traced."""
    recorder = _RECORDER.get()
    return _OFF if recorder is None else recorder.span(name, attributes)


def recorder() -> Recorder | None:
    """That of the request at hand; None where it is not traced."""
    return _RECORDER.get()


@contextlib.contextmanager
def recording(traceparent: str) -> Iterator[Recorder]:
    """Note what this thread does for a request until the block ends."""
    made = Recorder(traceparent)
    token = _RECORDER.set(made)
    try:
        yield made
    finally:
        _RECORDER.reset(token)
