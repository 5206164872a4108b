"""config.json, the command line and the environment → one typed, frozen object."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, ValidationError

from ocr_serving.decoding import images
from ocr_serving.errors import ConfigError
from ocr_serving.validation import Frozen, first_problem, validated

ENV_PREFIX = "OCR_SERVING_"


def _names(value: Any) -> Any:
    """A list, or names with commas between them, as an environment variable says it."""
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


class ModuleConfig(Frozen):
    """One entry of `modules_info`: arguments of `_initialize` and `predict`, and overrides of params.py."""

    init_args: dict[str, Any] = Field(default_factory=dict)
    predict_args: dict[str, Any] = Field(default_factory=dict)
    params: dict[str, Any] = Field(default_factory=dict)


class ServiceConfig(Frozen):
    """All of config.json; the first six keys are the old file's, the others have these defaults.

    `modules_info` maps a module's name, or the path of its folder, to its arguments. `workers` None means as many as the machine
    carries. Times are seconds, `max_body_mb` MiB, `max_pixels` pixels of one image; `max_queue` counts requests that wait for a
    worker.
    `engine_process` has the networks run in a process of their own, which batches across requests: off unless asked for. There
    `max_batch` is a cap on the rows of a batch, and a row waits for others no longer than `max_delay_ms` while the device is busy.
    `max_held_mb` bounds the bodies of all requests together, MiB; None means what the machine carries. `worker_memory_mb` bounds
    the memory of a worker, MiB; None means its share of the machine's, 0 that it is not bounded. With `allowed_hosts` a request
    must name one of them in its Host header. `api_keys_for` "all" wants a key for everything but the probes.
    A PDF is rendered at `pdf_dpi`, and of its pages `max_pdf_pages` at the most are read.
    """

    modules_info: dict[str, ModuleConfig] = Field(min_length=1)
    port: int = Field(8866, ge=1, le=65535)
    use_multiprocess: bool = False
    workers: int | None = Field(None, ge=1, le=512)
    gpu: str | None = None
    host: str = "0.0.0.0"  # noqa: S104  the old server's default; clients are on other machines
    http_status: Literal["honest", "legacy"] = "honest"
    max_body_mb: int = Field(64, ge=1, le=1024)
    max_images: int = Field(64, ge=1)
    max_pixels: int = Field(50_000_000, ge=1)
    max_pdf_pages: int = Field(20, ge=1)
    pdf_dpi: int = Field(200, ge=36, le=1200)
    max_queue: NonNegativeInt | None = None
    timeout_s: float = Field(120, gt=0)
    body_timeout_s: float = Field(30, gt=0)
    max_held_mb: int | None = Field(None, ge=1)
    worker_memory_mb: int | None = Field(None, ge=0)
    allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    api_keys_file: Path | None = None
    api_keys_for: Literal["predict", "all"] = "predict"
    log_format: Literal["auto", "text", "json"] = "auto"
    offline: bool = False
    engine_process: bool = False
    max_batch: int | None = Field(None, ge=1, le=1024)
    max_delay_ms: float = Field(5, ge=0, le=10_000)

    @property
    def limits(self) -> images.Limits:
        """The part of the limits that decoding keeps to."""
        return images.Limits(**{name: getattr(self, name) for name in images.Limits.model_fields})

    @property
    def use_gpu(self) -> bool:
        """Whether any module asks for a GPU."""
        return any(module.init_args.get("use_gpu") is True for module in self.modules_info.values())

    def held_bytes(self, memory: int | None) -> int:
        """Bytes that all bodies together may take, one of the largest in any case.

        Unless it is set, an eighth of `memory`, but no less than two of the largest, and no more than eight.
        """
        largest = self.max_body_mb << 20
        if self.max_held_mb is not None:
            return max(largest, self.max_held_mb << 20)
        return max(2 * largest, min(8 * largest, 8 * largest if memory is None else memory // 8))

    def queue_size(self, workers: int) -> int:
        """Requests that may wait: 16 for each worker unless `max_queue` says otherwise."""
        return 16 * workers if self.max_queue is None else self.max_queue


SETTINGS = tuple(name for name in ServiceConfig.model_fields if name != "modules_info")


def read_file(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises ConfigError with a sentence."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}.") from None
    except ValueError as exc:
        raise ConfigError(f"{path} is not JSON: {exc}.") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold a JSON object with the key 'modules_info'.")
    return values


def build(
    values: Mapping[str, Any], environ: Mapping[str, str], *, where: str, options: Mapping[str, str] | None = None
) -> ServiceConfig:
    """Check `values` (the keys of config.json); OCR_SERVING_<KEY> in the environment beats each but `modules_info`.

    `where` is the file that they come from; `options` names the command line's option for each key that came from there.
    Raises ConfigError with a sentence.
    """
    merged, sources = dict(values), dict(options or {})
    for name in SETTINGS:
        variable = ENV_PREFIX + name.upper()
        if variable in environ:
            merged[name], sources[name] = environ[variable], variable
    if f"{ENV_PREFIX}WORKERS" in environ and f"{ENV_PREFIX}USE_MULTIPROCESS" not in environ:
        # The old files carry a number of workers that does not count; one from the environment was meant.
        merged["use_multiprocess"] = True
    try:
        return ServiceConfig.model_validate(merged)
    except ValidationError as exc:
        key = str(exc.errors(include_url=False)[0]["loc"][0])
        raise ConfigError(first_problem(exc, where=sources.get(key, where), known=ServiceConfig.model_fields)) from None


def is_offline(environ: Mapping[str, str]) -> bool:
    """What OCR_SERVING_OFFLINE says where there is no config.json. Raises ConfigError."""

    class Offline(Frozen):
        offline: bool = False

    variable = f"{ENV_PREFIX}OFFLINE"
    given = {"offline": environ[variable]} if variable in environ else {}
    return validated(Offline, given, where=variable, error=ConfigError).offline


def misspelt(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that are nearly OCR_SERVING_<KEY>, and what was probably meant."""
    known = [ENV_PREFIX + name.upper() for name in SETTINGS]
    given = (name for name in environ if name.startswith(ENV_PREFIX) and name not in known)
    meant = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.9) for name in given}
    return {name: near[0] for name, near in meant.items() if near}
