"""config.json, the command line and the environment → one typed, frozen object."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, IPvAnyNetwork, NonNegativeInt, ValidationError

from ocr_serving.decoding import images
from ocr_serving.errors import ConfigError
from ocr_serving.validation import Frozen, first_problem, validated

ENV_PREFIX = "OCR_SERVING_"


def _names(value: Any) -> Any:
    """A list, or names with commas between them, as an environment variable says it."""
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


class ModuleConfig(Frozen):
    """One entry of `modules_info`: arguments of `_initialize` and `predict`, and overrides of params.py."""

    init_args: dict[str, Any] = Field(default_factory=dict, description="Arguments of the module's `_initialize`.")
    predict_args: dict[str, Any] = Field(
        default_factory=dict, description="Arguments of `predict` for requests that do not set them."
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Overrides of the module's params.py.")


class ServiceConfig(Frozen):
    """All of config.json; the first six keys are the old file's."""

    modules_info: dict[str, ModuleConfig] = Field(
        min_length=1, description="What to serve: a module's name, or the path of its folder, and its arguments."
    )
    port: int = Field(8866, ge=1, le=65535, description="Port to listen on.")
    use_multiprocess: bool = Field(False, description="Whether `workers` of this file counts.")
    workers: int | None = Field(
        None,
        ge=1,
        le=512,
        description=(
            "Worker processes; unset, as many as the container's cores and memory allow, or a GPU each without engine_process."
        ),
    )
    gpu: str | None = Field(
        None, description="Numbers of the GPUs to use, such as 0,1, where CUDA_VISIBLE_DEVICES is not set. For use_gpu only."
    )
    host: str = Field(
        "0.0.0.0",  # noqa: S104  the old server's default; clients are on other machines
        description="Address to listen on; 0.0.0.0 is every address of the machine, so that anybody who reaches it may ask.",
    )
    http_status: Literal["honest", "legacy"] = Field(
        "honest",
        description="legacy answers 200 to every POST to /predict/<module>, as PaddleHub did; `status` then tells what failed.",
    )
    max_body_mb: int = Field(64, ge=1, le=1024, description="Largest body of a request, in MiB.")
    max_images: int = Field(64, ge=1, description="Most images of one request.")
    max_pixels: int = Field(
        50_000_000, ge=1, description="Most pixels of one image; of all images of a request together, four times as many."
    )
    max_pdf_pages: int = Field(20, ge=1, description="Most pages of a PDF or TIFF that are read; a cut is said in `msg`.")
    pdf_dpi: int = Field(200, ge=36, le=1200, description="Resolution that the pages of a PDF are rendered at.")
    page_timeout_s: float = Field(
        5,
        gt=0,
        le=3600,
        description="Most seconds of CPU time that decoding a page may take; a request, six times as many.",
    )
    page_memory_mb: int = Field(1024, ge=64, description="Most memory that decoding a page may take, in MiB.")
    decoding: Literal["full", "legacy"] = Field(
        "full",
        description=(
            "legacy reads the first page of a TIFF, lays transparency over white, leaves faint pages and those on dots as they are,"
            " and answers 413 to a request in which one image is too large."
        ),
    )
    max_queue: NonNegativeInt | None = Field(
        None, description="Requests that may wait for a worker, beyond which callers get 503; unset, 16 for each worker."
    )
    timeout_s: float = Field(120, gt=0, description="Seconds a request may take, waiting included, before it is answered 503.")
    body_timeout_s: float = Field(30, gt=0, description="Seconds a body may take to arrive, before it is answered 408.")
    max_held_mb: int | None = Field(
        None, ge=1, description="Most that the bodies of all requests may hold together, in MiB; unset, what the machine carries."
    )
    worker_memory_mb: int | None = Field(
        None, ge=0, description="Most memory of a worker, in MiB; unset, its share of the machine's; 0 does not bound it."
    )
    allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        (), description="Names that a request's Host header may have, against DNS rebinding; unset, any."
    )
    api_keys_file: Path | None = Field(
        None,
        description="File of the keys that callers must present, one a line, `#` before a comment; read again when it changes.",
    )
    api_keys_for: Literal["predict", "all"] = Field(
        "predict", description="What needs a key: predictions alone, or all but the probes (metrics, descriptions and page too)."
    )
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="How the log is written; auto is text on a terminal, else JSON."
    )
    offline: bool = Field(False, description="Never fetch models that are missing.")
    idle_cores: bool = Field(
        True,
        description=(
            "Let a request use the cores of workers that have nothing to do: pages are detected on several threads and their lines"
            " read side by side. For networks on onnxruntime and CPUs, of one thread each (cpu_threads)."
        ),
    )
    engine_process: bool = Field(
        False, description="Run the networks in a process of their own, one a GPU, which batches across requests and workers."
    )
    max_batch: int | None = Field(
        None, ge=1, le=1024, description="With engine_process, most rows of a batch; unset, what its table of shapes has."
    )
    max_delay_ms: float = Field(
        5,
        ge=0,
        le=10_000,
        description="With engine_process, milliseconds a row waits at most for others while the device is busy.",
    )

    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^(env|https?://\S+)$",
        description=(
            "URL of a collector that takes traces by OTLP over HTTP, such as http://collector:4318; env takes what"
            " OTEL_EXPORTER_OTLP_ENDPOINT and its like say; unset, nothing is traced. Needs ocr-serving[otel]."
        ),
    )
    jobs: bool = Field(True, description="Whether jobs are taken at /api/v2/ocr/jobs.")
    state_dir: Path | None = Field(
        None,
        description="Folder that jobs are kept in; unset, ocr-serving/PORT in XDG_STATE_HOME. Each service needs one of its own.",
    )
    jobs_store: str | None = Field(
        None,
        description="URL of a PostgreSQL database to keep jobs in instead; services that share one answer for each other's.",
    )
    jobs_keep_hours: float = Field(
        24, gt=0, le=8760, description="Hours that a job is kept after its end, and may take until then."
    )
    jobs_max_mb: int = Field(2048, ge=1, description="Most that all jobs take together, files and results, in MiB.")
    jobs_max_open: int = Field(100, ge=1, description="Most jobs of one caller that are not done yet.")
    jobs_max_pages: int = Field(1000, ge=1, le=100_000, description="Most pages of one job.")
    public_url: str | None = Field(
        None,
        description=(
            "What stands before /api in links to results, such as https://ocr.example.org; unset, what the request's Host and its"
            " X-Forwarded headers say."
        ),
    )
    fetch_hosts: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        (),
        description="Hosts that files may be fetched from for a caller who sends a URL; *.example.org is all below; unset, none.",
    )
    fetch_networks: Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(_names)] = Field(
        (), description="Private networks that fetch_hosts and webhook_hosts may be in, such as 10.1.0.0/16; unset, none."
    )
    fetch_max_mb: int = Field(200, ge=1, le=1024, description="Largest file that is fetched, in MiB.")
    fetch_timeout_s: float = Field(60, gt=0, le=3600, description="Seconds that fetching a file may take in all.")
    webhook_hosts: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        (), description="Hosts that may be called when a job has ended (callbackUrl), as in fetch_hosts; unset, none."
    )
    webhook_secret_file: Path | None = Field(
        None, description="File of the secret that such calls are signed with; needed where there are webhook_hosts."
    )

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
