"""Files read in this process, without a service: `read("scan.pdf").text`."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal

from ocr_serving import config
from ocr_serving.config import ModuleConfig
from ocr_serving.decoding.images import Image, Limits
from ocr_serving.decoding.limits import Allowance
from ocr_serving.errors import ConfigError, InputError, ServingError
from ocr_serving.modules.base import Module
from ocr_serving.modules.loader import find, load_module
from ocr_serving.output.job import Job
from ocr_serving.output.reading import Reader
from ocr_serving.output.tree import Document
from ocr_serving.server import convert
from ocr_serving.server.wire import Arguments
from ocr_serving.validation import validated

What = Literal["text", "document", "table", "form"]

MODULES: dict[What, str] = {"text": "ocr_system", "document": "structure_system", "table": "structure_system", "form": "kie_ser_re"}

MOST_PAGES = 100_000


def read(
    file: str | os.PathLike[str] | bytes | IO[bytes],
    what: What = "text",
    *,
    module: str = "",
    pages: str = "",
    progress: Callable[[int], object] | None = None,
    params: dict[str, Any] | None = None,
    **arguments: Any,
) -> Document:
    """Read an image, a PDF or a TIFF: a path, its bytes, or an open file.

    `what` is wanted of it; `module` names a module, or the folder of one, instead. `pages` are some of its pages, "3" or "3-5".
    `progress(done)` is called after each page. `params` are those of the module, such as {"model_set": "PP-OCRv6_tiny"}: its
    networks are loaded once for each of them, and fetched where they are not here. `arguments` are those of its `predict`. Not to
    be called from several threads at once. Raises ServingError with a sentence.
    """
    if what not in MODULES:
        raise InputError(f"what is one of {', '.join(MODULES)}, not '{what}'.")
    data, title = _content(file)
    loaded, defaults = _loaded(module or MODULES[what], json.dumps(params or {}, sort_keys=True))
    accepted = Arguments(type(loaded))
    takes = accepted.model.model_fields
    keywords = defaults | accepted.check(arguments)
    limits = Limits(max_pdf_pages=MOST_PAGES)
    chosen = convert.options({"pages": pages}).chosen if pages else None
    job = Job(title, data, (), limits, where=title, allowance=Allowance(), chosen=chosen)

    def ask(image: Image, **further: Any) -> Any:
        loaded.begin_request()
        return loaded.predict([image], **(keywords | further))[0]

    reader = Reader(ask, "return_lines" in takes, "auto", "return_words" in takes, "return_items" in takes)
    for sheet in job.sheets():
        if sheet.image is None:
            job.miss(sheet, sheet.why)
        else:
            try:
                entry, remarks = reader(sheet.image, sheet.text)
                job.take(sheet, entry, [*remarks, *loaded.warnings])
            except ServingError as exc:
                if chosen is None and not job.is_pdf:
                    raise
                job.miss(sheet, str(exc))
        if progress is not None:
            progress(job.page_count)
    return job.document()


@functools.cache
def _loaded(name: str, params: str) -> tuple[Module, dict[str, Any]]:
    """A module and its `predict_args`, as the config.json of its folder says."""
    entry = validated(ModuleConfig, find(name).entry, where=f"config.json of {name}", error=ConfigError)
    together = dict(entry.params) | json.loads(params)
    module = load_module(name, init_args=entry.init_args, params=together, pull=not config.is_offline(os.environ))
    return module, dict(entry.predict_args)


def _content(file: str | os.PathLike[str] | bytes | IO[bytes]) -> tuple[bytes, str]:
    if isinstance(file, bytes):
        return file, "document"
    if isinstance(file, str | os.PathLike):
        path = Path(os.fspath(file))
        try:
            return path.read_bytes(), path.stem or "document"
        except OSError as exc:
            raise InputError(f"{path} cannot be read: {exc.strerror}.") from None
    content: object = file.read()
    if not isinstance(content, bytes):
        raise InputError("The file is open as text: open it with mode 'rb'.")
    return content, Path(str(getattr(file, "name", "document"))).stem
