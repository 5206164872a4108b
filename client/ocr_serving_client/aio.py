"""`AsyncClient`: the same as `Client`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Self, TypeVar

import httpx

from ocr_serving_client.calls import Caller, Calls, File, Progress, Wait, What
from ocr_serving_client.result import Result
from ocr_serving_client.transport import lost, response_of, settings

T = TypeVar("T")


class AsyncClient:
    """A service at `url`, such as http://127.0.0.1:8868. Tasks may share it.

    `key` is its API key, where it asks for one; `timeout` the seconds to wait for each answer. A service that is full is asked
    again up to `retries` times, after what its Retry-After says. Raises OCRError where `url` is no address.
    """

    def __init__(self, url: str, key: str = "", *, timeout: float = 120.0, retries: int = 5) -> None:
        self._caller = Caller(url, retries)
        headers, limits = settings(key, timeout)
        self._http = httpx.AsyncClient(headers=headers, timeout=limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def read(
        self,
        file: File,
        what: What = "text",
        *,
        module: str = "",
        pages: str = "",
        progress: Progress | None = None,
        **arguments: Any,
    ) -> Result:
        """Read an image, a PDF or a TIFF: a path, its bytes, or an open file.

        `what` is wanted of it: "text", a "document" with headings and tables, "table" or "form"; `module` names a module instead.
        `pages` are some of its pages, "3" or "3-5". `progress(done, of)` is called after each page. `arguments` are those of the
        module, such as `drop_score=0.3`. Raises OCRError.
        """
        return await self._run(self._caller.read(file, what, module, pages, progress, arguments))

    async def convert(self, source: File | Result, form: str, *, files: Sequence[File] = (), **arguments: Any) -> bytes:
        """A file as docx, xlsx, pdf, txt, markdown, html, csv, json, hocr or alto; several, "docx,pdf", are a ZIP.

        `files` are further ones, whose pages follow. Of a `Result` the file is made without reading again; `files` are then those
        it was read from, which a searchable PDF and pictures in Word need. Raises OCRError.
        """
        return await self._run(self._caller.convert(source, form, files, arguments))

    async def predict(self, module: str, *files: File, **arguments: Any) -> list[Any]:
        """The `results` of a module as PaddleOCR's hubserving has them: an entry for each image, or page. Raises OCRError."""
        return await self._run(self._caller.predict(module, files, arguments))

    async def modules(self) -> tuple[str, ...]:
        """The names of the modules that are served. Raises OCRError."""
        return await self._run(self._caller.served())

    async def _run(self, calls: Calls[T]) -> T:
        try:
            step = next(calls)
            while True:
                if isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                    step = next(calls)
                    continue
                try:
                    given = await self._http.request(
                        step.method,
                        f"{self._caller.url}/{step.path}",
                        content=step.body or None,
                        headers={"Content-Type": step.kind} if step.body else None,
                    )
                    answer = response_of(given)
                except httpx.TransportError as exc:
                    answer = lost(step, exc, self._caller.url)
                step = calls.send(answer)
        except StopIteration as end:
            found: T = end.value
            return found
