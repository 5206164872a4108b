"""What the front and its worker processes say to each other, over a `Pipe`.

The front sends one `WorkerSpec`; the worker answers `Ready` or `Failed`; from then on each `Task` is answered by one `Done`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocr_serving.config import ServiceConfig
from ocr_serving.engines.batching.remote import EngineAddress
from ocr_serving.engines.idle.ledger import LedgerAddress
from ocr_serving.spans import Span


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker loads, and where the engine processes are that run its networks, if there are any.

    `memory` is the bytes that it may have once it is ready; None leaves it unbounded. `idle` is where it learns of cores that other
    workers do not use; None leaves it to its own.
    """

    config: ServiceConfig
    engines: EngineAddress | None = None
    memory: int | None = None
    idle: LedgerAddress | None = None


@dataclass(frozen=True)
class Ready:
    """The modules are loaded and have answered a warm-up; `modules` maps each name to its description for OpenAPI."""

    modules: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Failed:
    """The modules could not be loaded; `reason` is a sentence for the user."""

    reason: str


@dataclass(frozen=True)
class Task:
    """One request to `module`: the bytes of its body, to be answered by `deadline` on the monotonic clock.

    `kind` is its Content-Type and `query` what stands behind the `?`, percent-encoded. `output` names the formats of the document
    that is wanted, "docx,pdf"; "" is the answer itself. `api` names another contract than the module's own to answer by.
    With a `page` the body is a file, of which that page, from 1, is wanted as a picture. `traceparent` (W3C Trace Context) names
    the span that it is a part of, and has spans noted; "" has none.
    """

    module: str
    body: bytes
    request_id: str
    deadline: float = math.inf
    output: str = ""
    kind: str = "application/json"
    query: str = ""
    api: str = ""
    page: int = 0
    traceparent: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer as it goes out: HTTP code, wire status, bytes of the JSON body, and its `msg` for the log.

    `retry_after` is the seconds after which to ask again, where that makes sense; `headers` are further ones.
    """

    code: int
    status: str
    body: bytes
    msg: str = ""
    retry_after: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """The reply to a Task, and what to count: images, seconds in each stage and in all, and the resident memory in bytes.

    `lent_seconds` is how long other workers' cores were at work on it, together. `spans` are what was noted of it, the worker's own
    span left out, and `spans_left_out` how many more there were.
    """

    reply: Reply
    images: int = 0
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    resident: int = 0
    lent_seconds: float = 0.0
    spans: Sequence[Span] = ()
    spans_left_out: int = 0
