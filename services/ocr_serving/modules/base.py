"""What a service module is: a class with `_initialize`, `predict`, `serving_method`, as PaddleHub had it.

A module lives in a folder of four files (`__init__.py`, `config.json`, `module.py`, `params.py`). The server creates it
once per worker process and calls it with one request at a time, so that neither the module nor its engines need locks.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, TypeVar

from ocr_serving import engines, models, spans
from ocr_serving.decoding import images, pages
from ocr_serving.decoding.images import Image
from ocr_serving.errors import ConfigError, InputError, LateError, ModelError, TooLargeError

MARGIN_S, MARGIN_SHARE = 2.0, 0.2
"""The last image is to be done so many seconds before the deadline, or where that is less, this share of the time there was."""

Config = SimpleNamespace
"""What `read_params()` returns: attributes, one for each parameter."""

C = TypeVar("C", bound="type[Module]")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class ModuleInfo:
    """Who a module is; `name` is the last part of its URL."""

    name: str
    version: str = "1.0.0"
    summary: str = ""
    type: str = "cv/text_recognition"
    author: str = ""
    author_email: str = ""


class Module:
    """Base of every service module.

    Subclasses define `_initialize(use_gpu, enable_mkldnn, …)` (its keywords are `init_args` of config.json),
    `predict(images, paths, …)` (its keyword-only arguments are what a request and `predict_args` may set, checked against
    their annotations) and `serving_method(images, **kwargs)`, marked with `@serving`.
    """

    info: ClassVar[ModuleInfo]

    def __init__(
        self,
        *,
        init_args: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        limits: images.Limits | None = None,
        pull: bool = True,
        parent: Module | None = None,
        open_engine: engines.OpenEngine | None = None,
    ) -> None:
        """Load the module: `params` override params.py, `init_args` go to `_initialize`, `pull` fetches missing models.

        A module with a `parent` is a part of that one: it keeps to its limits, finds models from its folder, opens networks as it
        does and notes its warnings and seconds there. `open_engine` loads the networks; None loads them in this process.

        Raises ConfigError or ModelError with a sentence for the user.
        """
        self.limits: images.Limits = parent.limits if parent else limits or images.Limits()
        self.pull: bool = parent.pull if parent else pull
        self.root: Path = parent.root if parent else Path(inspect.getfile(type(self))).parent
        self.params_overrides = dict(params or {})
        self.warnings: list[str] = parent.warnings if parent else []
        self.stage_seconds: dict[str, float] = parent.stage_seconds if parent else {}
        # A part is asked for one image at a time, by what keeps the time of all.
        self._until = math.inf
        self.open_engine: engines.OpenEngine | None = parent.open_engine if parent else open_engine
        with engines.opening_with(self.open_engine):
            self._initialize(**(init_args or {}))

    def _initialize(self, use_gpu: bool = False, enable_mkldnn: bool = False) -> None:
        raise NotImplementedError

    def predict(self, images: Sequence[Image | None] = (), paths: Sequence[str] = ()) -> list[Any]:
        """Answer for `images` (BGR, uint8, shape (H, W, 3); None where one could not be decoded) or for the files `paths`."""
        raise NotImplementedError

    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[Any]:
        """The HTTP entry: base64 strings in, `results` out."""
        raise NotImplementedError

    def model(self, spec: str) -> Path:
        """Where the files of a model are.

        `spec` is a name of the catalogue, or a path relative to the working folder or to the module's. Raises ModelError.
        """
        if self.pull and spec in models.catalogue() and models.catalogue()[spec].url is None and not models.is_present(spec):
            models.pull(models.companions(spec), progress=models.Bar())
        if spec in models.catalogue() and not models.is_present(spec):
            name = self.root.name if self.root.parent == Path(__file__).parent else self.root
            raise ModelError(
                f"Model {spec} is not on this machine; run `ocr-serving models pull {spec}`, or `ocr-serving models pull"
                f" --module {name}` for all that the module's params.py names."
            )
        return models.resolve(spec, root=self.root).path

    def decode(self, encoded: Sequence[str]) -> list[Image | None]:
        """Base64 strings to BGR arrays; a PDF is one for each page. What cannot be decoded is None, and `warnings` says why.

        Raises InputError where an entry is not base64, TooLargeError where all together, or the only one there is, have more pixels
        than the limits allow, and UnavailableError where memory is short.
        """
        allowance = images.Allowance(self.limits.seconds_together)
        with spans.span("decode"):
            return self._collect(
                page
                for n, text in enumerate(encoded)
                for page in pages.from_base64(text, where=f"images[{n}]", limits=self.limits, allowance=allowance)
            )

    def read(self, images: Sequence[Image | None], paths: Sequence[str]) -> list[Image | None]:
        """The images of a `predict` call: `images` if given, else the files `paths`, decoded as `decode` does.

        Raises InputError where both or neither are given.
        """
        if bool(len(images)) == bool(len(paths)):
            raise InputError("The input data is inconsistent with expectations: give one or more images.")
        if len(images):
            return list(images)
        return self._collect(page for path in paths for page in _open(path, self.limits))

    def in_time(self, images: Sequence[Image | None]) -> Iterator[Image | None]:
        """The images, as long as there is time for them: None for those that the request's deadline leaves no time for.

        Time for one more is what the longest so far took, and half of it. What is left out stands in `warnings`, so that what was
        done by the deadline is answered and the rest is said. Raises LateError where there is no time for any.
        """
        longest, begun = 0.0, time.monotonic()
        for index, image in enumerate(images):
            now = time.monotonic()
            longest, begun = max(longest, now - begun) if index else 0.0, now
            if now + 1.5 * longest > self._until:
                if not index:
                    raise LateError("The time for a request (timeout_s) was up before the first image: send less in one.", None)
                self.warnings.append(_left_out(index, len(images)))
                yield from [None] * (len(images) - index)
                return
            yield image

    def _collect(self, decoded: Iterator[pages.PageOrRemark]) -> list[Image | None]:
        kept: list[Image | None] = []
        pixels = 0
        too_large = ""
        for item in decoded:
            if isinstance(item, images.Undecodable):
                self.warnings.append(item.reason)
                kept.append(None)
                too_large = too_large or (item.reason if item.large else "")
                continue
            if isinstance(item, pages.Remark):
                self.warnings.append(item.text)
                continue
            kept.append(item)
            pixels += item.shape[0] * item.shape[1]
            if pixels > self.limits.max_pixels_together:
                raise TooLargeError(
                    f"The first {len(kept)} images have {pixels} pixels together, over the limit of "
                    f"{self.limits.max_pixels_together} (4 x max_pixels): send fewer in one request."
                )
        if too_large and (self.limits.decoding == "legacy" or all(image is None for image in kept)):
            # Where nothing else could be read, the code of the answer can say it.
            raise TooLargeError(f"{too_large}.")
        return kept

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds spent inside to `stage_seconds[name]`, which the server exports as metrics; a span of the trace, too."""
        start = time.perf_counter()
        try:
            with spans.span(name):
                yield
        finally:
            self.stage_seconds[name] = self.stage_seconds.get(name, 0.0) + time.perf_counter() - start

    def begin_request(self, deadline: float = math.inf) -> None:
        """Forget what the last request left in `warnings` and `stage_seconds`; this one ends at `deadline` (monotonic clock)."""
        # Ahead of it, so that there is time to say what was done.
        self._until = deadline - min(MARGIN_S, MARGIN_SHARE * max(0.0, deadline - time.monotonic()))
        # In place, as the parts of a module share them.
        self.warnings.clear()
        self.stage_seconds.clear()

    @classmethod
    def main(cls) -> None:
        """Run the module once on files named on the command line: `python module.py page.png`."""
        from ocr_serving.modules.debug import main

        main(cls)


def _left_out(first: int, count: int) -> str:
    one = first == count - 1
    which = f"results[{first}] was" if one else f"results[{first}] to results[{count - 1}] were"
    return f"{which} left empty: the time for a request (timeout_s) was up; send {'it' if one else 'them'} in another request"


def _open(path: str, limits: images.Limits) -> Iterator[pages.PageOrRemark]:
    try:
        data = Path(path).read_bytes()
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}.") from None
    return pages.from_bytes(data, where=path, limits=limits, kept=True)


def moduleinfo(**about: str) -> Callable[[C], C]:
    """Class decorator, as PaddleHub's: `@moduleinfo(name="ocr_system", version="1.0.0", summary="…")`."""

    def mark(cls: C) -> C:
        cls.info = ModuleInfo(**about)
        return cls

    return mark


def serving(method: F) -> F:
    """Method decorator, as PaddleHub's: marks the HTTP entry of a module."""
    method.is_serving = True  # type: ignore[attr-defined]
    return method


def params_beside(file: str) -> Callable[[], Any]:
    """`read_params` of the `params.py` in the folder of `file`, whether that folder runs as a package or as a script.

    Raises ConfigError where params.py is missing, does not import or has no `read_params`.
    """
    path = Path(file).resolve().parent / "params.py"

    def read_params() -> Any:
        name = f"ocr_serving_params_{abs(hash(path))}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.exists():
            raise ConfigError(f"{path} is missing: a module needs params.py with a function read_params().")
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[name] = loaded
        try:
            spec.loader.exec_module(loaded)
        except Exception as exc:
            raise ConfigError(f"{path} cannot be read: {type(exc).__name__}: {exc}.") from exc
        if not hasattr(loaded, "read_params"):
            raise ConfigError(f"{path} has no function read_params().")
        return loaded.read_params()

    return read_params
