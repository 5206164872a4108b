"""Who reads the pages that `convert` has: this machine's cores, each in a process of its own, or a running service."""

from __future__ import annotations

import contextlib
import inspect
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.synchronize import Lock
from typing import Any, NamedTuple, Protocol

import cv2
import requests

from ocr_serving.client import AnswerError, Client, UnreachableError
from ocr_serving.decoding.images import Image
from ocr_serving.decoding.pdf_words import PdfPage
from ocr_serving.errors import ServingError
from ocr_serving.modules.base import Module
from ocr_serving.modules.loader import load_module
from ocr_serving.output.reading import PdfText, Reader

FIELDS = "kie_ser_re"


class Answer(NamedTuple):
    """What came of a page: the entry, remarks, the entry of `kie_ser_re` if that was wanted."""

    entry: Any
    remarks: list[str]
    fields: Any = None


class Pages(Protocol):
    """Takes pages and answers them later; `width` pages at the same time."""

    width: int

    def submit(self, image: Image, text: PdfPage | None) -> Future[Answer]:
        """The answer to a page; ServingError where there is none."""


@dataclass(frozen=True)
class Wanted:
    """How pages are read: the module and its settings, whose text of a PDF, and whether fields are looked for too."""

    module: str
    structure: bool
    pdf_text: PdfText = "auto"
    fields: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    init_args: Mapping[str, Any] = field(default_factory=dict)
    offline: bool = False


class _Local:
    """The modules, loaded in this process."""

    def __init__(self, wanted: Wanted) -> None:
        """Raises ServingError."""
        settings: dict[str, Any] = {"init_args": wanted.init_args, "pull": not wanted.offline}
        self._module = load_module(wanted.module, params=wanted.params, **settings)
        # The other module has parameters of its own.
        self._fields: Module | None = load_module(FIELDS, params={}, **settings) if wanted.fields else None
        words = _has(self._module, "return_words")
        self._about_fields: dict[str, Any] = {"return_items": True} if self._fields and _has(self._fields, "return_items") else {}
        self._reader = Reader(self._ask, wanted.structure, wanted.pdf_text, words)

    def _ask(self, image: Image, **keywords: Any) -> Any:
        self._module.begin_request()
        return self._module.predict([image], **keywords)[0]

    def read(self, image: Image, text: PdfPage | None) -> Answer:
        entry, remarks = self._reader(image, text)
        remarks += self._module.warnings
        fields = None if self._fields is None else self._fields.predict([image], **self._about_fields)[0]
        return Answer(entry, remarks, fields)


def _has(module: Module, argument: str) -> bool:
    return argument in inspect.signature(module.predict).parameters


_local: _Local | ServingError | None = None


def _load(wanted: Wanted, lock: Lock) -> None:
    """Begin a process. One after the other, so that models that are missing are fetched once."""
    global _local
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    with lock:
        try:
            _local = _Local(wanted)
        except ServingError as exc:
            # An initializer that raises would break the pool, and the reason be lost.
            _local = exc


def _end_with_parent() -> None:
    """End where the command was killed: nobody else would end this process, which waits for pages for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _read(image: Image, text: PdfPage | None) -> Answer:
    if isinstance(_local, _Local):
        return _local.read(image, text)
    raise _local or ServingError("The process has no module.")


class _Here:
    """Pages read in this process, one at a time."""

    width = 1

    def __init__(self, wanted: Wanted) -> None:
        self._local = _Local(wanted)

    def submit(self, image: Image, text: PdfPage | None) -> Future[Answer]:
        future: Future[Answer] = Future()
        try:
            future.set_result(self._local.read(image, text))
        except ServingError as exc:
            future.set_exception(exc)
        return future


class _Pool:
    """Pages read by whoever an executor has."""

    def __init__(self, executor: Executor, width: int, read: Callable[[Image, PdfPage | None], Answer]) -> None:
        self._executor, self.width, self._read = executor, width, read

    def submit(self, image: Image, text: PdfPage | None) -> Future[Answer]:
        try:
            return self._executor.submit(self._read, image, text)
        except BrokenProcessPool:
            future: Future[Answer] = Future()
            future.set_exception(
                UnreachableError("A process that reads pages was ended, perhaps for want of memory: take fewer --jobs.")
            )
            return future


@contextlib.contextmanager
def on_this_machine(wanted: Wanted, processes: int) -> Iterator[Pages]:
    """`processes` processes, ended with the context, at once where it is left by an exception. Raises ServingError."""
    if processes == 1:
        yield _Here(wanted)
        return
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(processes, context, _load, (wanted, context.Lock()))
    try:
        yield _Pool(executor, processes, _read)
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.kill()
        raise
    executor.shutdown()


@contextlib.contextmanager
def by_service(wanted: Wanted, url: str, threads: int, *, api_key: str, timeout: float, retries: int) -> Iterator[Pages]:
    """A running service at `url`, of which `threads` pages are asked at the same time. It may be gone for `timeout` seconds.

    Raises ServingError.
    """
    served = _served(url, api_key)
    words = _takes(url, api_key, wanted.module, "return_words")
    about_fields = {"return_items": True} if wanted.fields and _takes(url, api_key, FIELDS, "return_items") else {}
    for name in [wanted.module] + [FIELDS] * wanted.fields:
        if name not in served:
            raise UnreachableError(
                f"The service at {url} has no module {name}, which these formats need; it has {', '.join(served)}."
                if served
                else f"The service at {url} has no modules yet: wait until it has loaded them, and give the command again."
            )
    options: dict[str, Any] = {
        "api_key": api_key,
        "timeout": timeout,
        "retries": retries,
        "connections": threads,
        "patience": timeout,
    }
    with Client(f"{url}/predict/{wanted.module}", **options) as client, Client(f"{url}/predict/{FIELDS}", **options) as fields:

        def ask(image: Image, **keywords: Any) -> Any:
            return _asked(client, image, keywords)

        def read(image: Image, text: PdfPage | None) -> Answer:
            entry, remarks = Reader(ask, wanted.structure, wanted.pdf_text, words)(image, text)
            return Answer(entry, remarks, _asked(fields, image, about_fields) if wanted.fields else None)

        executor = ThreadPoolExecutor(threads)
        try:
            yield _Pool(executor, threads, read)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def _asked(client: Client, image: Image, keywords: Mapping[str, Any]) -> Any:
    done, png = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise AnswerError(f"a page of {image.shape[1]}x{image.shape[0]} pixels cannot be sent.")
    reply = client.predict(png.tobytes(), **keywords)
    return reply.entries[0]


def _takes(url: str, api_key: str, module: str, argument: str) -> bool:
    """Whether a service's module takes an argument; those of older services, or of a user's own copy, may not."""
    try:
        schemas = _got(f"{url}/openapi.json", api_key)["components"]["schemas"]
        return argument in schemas[f"{module}.Request"]["properties"]
    except (requests.exceptions.RequestException, ValueError, KeyError, TypeError):
        return False


def _got(url: str, api_key: str) -> Any:
    return requests.get(url, timeout=10, headers={"Authorization": f"Bearer {api_key}"} if api_key else {}).json()


def _served(url: str, api_key: str) -> list[str]:
    """The names of a service's modules."""
    try:
        return [str(module["name"]) for module in _got(f"{url}/modules", api_key)["modules"]]
    except (requests.exceptions.RequestException, ValueError, KeyError, TypeError) as exc:
        raise UnreachableError(
            f"No OCR service answers at {url} ({type(exc).__name__}): is it running, and is the URL right?"
        ) from None
