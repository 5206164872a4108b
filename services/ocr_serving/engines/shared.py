"""One copy of each network for all modules of a worker, whatever folders they name it by."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from pathlib import Path
from weakref import WeakValueDictionary

from ocr_serving.engines import local
from ocr_serving.engines.base import Ctc, Engine, EngineOptions, OpenEngine, PixelInput
from ocr_serving.engines.idle.crew import Helpers
from ocr_serving.engines.idle.schedule import widths
from ocr_serving.errors import ServingError


def opener(helpers: Helpers | None = None) -> OpenEngine:
    """Opens each network once in this process: the same file, run in the same way, is the same engine for all who ask.

    It stays as long as somebody has it. A worker answers one request at a time, so that no two use it at once, but `helpers` of a
    request, which run it side by side; detectors, which a page asks once, they run on several threads.
    """
    opened: WeakValueDictionary[Hashable, Engine] = WeakValueDictionary()

    def open_engine(
        model: Path, options: EngineOptions, *, greedy_ctc: Ctc | bool = False, pixels: PixelInput | None = None
    ) -> Engine:
        # Who asked for a number of threads has it.
        lent = helpers if options.cpu_threads == 1 and not options.use_gpu else None
        wide = widths(1 + lent.lender.most) if lent and pixels is not None and pixels.kind == "detection" else ()
        try:
            key = (_content(model), local.engine_name(local.model_files(model), options, model), options, _asked(greedy_ctc), wide)
        except (ServingError, OSError):
            # Opening it says what is wrong.
            return local.open_local(model, options, greedy_ctc=greedy_ctc)
        engine = opened.get(key)
        if engine is None:
            engine = opened[key] = local.open_local(model, options, greedy_ctc=greedy_ctc, helpers=lent, widths=wide)
        return engine

    return open_engine


def _asked(greedy_ctc: Ctc | bool) -> Hashable:
    return Ctc() if greedy_ctc is True else greedy_ctc


def _content(model: Path) -> str:
    """A hash of the network's files. Raises ModelError where there are none, OSError where one cannot be read."""
    digest = hashlib.sha256()
    for name, file in sorted(local.model_files(model).items()):
        digest.update(name.encode())
        for part in (file, file.with_suffix(".pdiparams")) if name == "paddle" else (file,):
            with part.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
