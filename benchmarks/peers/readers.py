"""Starts the peers: PaddleX's server, paddleocr 2.10 behind Flask as hubserving runs it, rapidocr and faster-paddle in processes.

All get the weights of the model set that is measured, and its choice about the angle classifier; the rest is as they ship.
"""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import yaml

from benchmarks.library import servers, support
from benchmarks.library.answering import Answering
from benchmarks.library.servers import Server
from benchmarks.library.support import BenchmarkError
from benchmarks.peers import environment
from ocr_serving import machine, models
from ocr_serving.config.params import DetectionParams
from ocr_serving.stages import recognition

HERE = Path(__file__).parent
PADDLE, ONNXRUNTIME, RAPIDOCR, HUBSERVING = "paddlex-paddle", "paddlex-onnxruntime", "rapidocr", "hubserving"
FASTER, FASTER_PARTED = "faster-paddle", "faster-paddle-parted"
LABELS = {
    PADDLE: "PaddleX serving, paddle",
    ONNXRUNTIME: "PaddleX serving, onnxruntime",
    RAPIDOCR: "rapidocr, in-process",
    FASTER: "faster-paddle, a process of all cores",
    FASTER_PARTED: "faster-paddle, a process a core",
    HUBSERVING: "hubserving's stand-in: paddleocr 2.10 behind Flask",
}
FASTER_SIZES = {"PP-OCRv6_tiny": "tiny", "PP-OCRv6_small": "small"}
"""Its name for the weights of a model set."""

CLASSIFIER = "PP-LCNet_x0_25_textline_ori"
"""PaddleX knows no network by the name of PaddleOCR 2's angle classifier; one it knows runs it with another input size."""

KEYS_OF_OLD = {"det_db_thresh": 0.3, "det_db_box_thresh": 0.5, "det_db_unclip_ratio": 1.6, "rec_batch_num": 6, "cls_batch_num": 30}
"""Of hubserving's params.py, where it differs from what paddleocr 2.10 takes by itself."""


def start(name: str, model_set: str, images: Sequence[Path]) -> contextlib.AbstractContextManager[Server]:
    """The peer `name` of LABELS, running. Raises BenchmarkError, ModelError, at once or when it is entered."""
    known: Mapping[str, Callable[[str, Sequence[Path]], contextlib.AbstractContextManager[Server]]] = {
        PADDLE: functools.partial(_paddlex, "paddle"),
        ONNXRUNTIME: functools.partial(_paddlex, "onnxruntime"),
        RAPIDOCR: _rapidocr,
        FASTER: functools.partial(_faster_paddle, FASTER, None),
        FASTER_PARTED: functools.partial(_faster_paddle, FASTER_PARTED, 1),
        HUBSERVING: _hubserving,
    }
    return known[name](model_set, images)


def paddle_set(model_set: str) -> models.ModelSet:
    """The weights of `model_set` in Paddle format. Raises BenchmarkError where there are none."""
    try:
        return models.model_sets()[f"{model_set}_paddle"]
    except KeyError:
        raise BenchmarkError(f"There are no weights of {model_set} in Paddle format here.") from None


def inference_files(model_set: str, characters: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What PaddleX wants as inference.yml beside each network of a set, by "det", "cls", "rec"."""
    return {
        "det": {
            "Global": {"model_name": f"{model_set}_det"},
            "PreProcess": {
                "transform_ops": [
                    {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
                    {"DetResizeForTest": {"resize_long": 960}},
                    {
                        "NormalizeImage": {
                            "mean": [0.485, 0.456, 0.406],
                            "std": [0.229, 0.224, 0.225],
                            "scale": "1./255.",
                            "order": "hwc",
                        }
                    },
                    {"ToCHWImage": None},
                ]
            },
            "PostProcess": {
                "name": "DBPostProcess",
                "thresh": 0.3,
                "box_thresh": 0.6,
                "max_candidates": 1000,
                "unclip_ratio": 1.5,
            },
        },
        "cls": {
            "Global": {"model_name": CLASSIFIER},
            "PreProcess": {
                "transform_ops": [
                    {"ResizeImage": {"size": [192, 48]}},
                    {"NormalizeImage": {"mean": [0.5] * 3, "std": [0.5] * 3, "scale": 1 / 255, "order": "", "channel_num": 3}},
                    {"ToCHWImage": None},
                ]
            },
            "PostProcess": {"Topk": {"topk": 1, "label_list": ["0_degree", "180_degree"]}},
        },
        "rec": {
            "Global": {"model_name": f"{model_set}_rec"},
            "PreProcess": {
                "transform_ops": [
                    {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
                    {"RecResizeImg": {"image_shape": [3, 48, 320]}},
                ]
            },
            "PostProcess": {"name": "CTCLabelDecode", "character_dict": list(characters)},
        },
    }


def paddlex_pipeline(shipped: dict[str, Any], model_set: str, folder: Path, *, use_angle_cls: bool) -> dict[str, Any]:
    """PaddleX's OCR.yaml with the networks that lie in `folder`; no preprocessing of documents, no pictures in its answers."""
    modules = shipped["SubModules"]
    modules["TextDetection"] |= {"model_name": f"{model_set}_det", "model_dir": str(folder / "det")}
    modules["TextRecognition"] |= {"model_name": f"{model_set}_rec", "model_dir": str(folder / "rec")}
    modules["TextLineOrientation"] |= {"model_name": CLASSIFIER, "model_dir": str(folder / "cls")}
    return {key: value for key, value in shipped.items() if key != "SubPipelines"} | {
        "use_doc_preprocessor": False,
        "use_textline_orientation": use_angle_cls,
        "Serving": {"visualize": False},  # drawing them needs a font from the network, at every request
    }


def paddlex_lines(answer: Any) -> int:
    """Lines in an answer of PaddleX. Raises ValueError where it tells of an error."""
    if answer["errorCode"] != 0:
        raise ValueError(answer["errorMsg"])
    return len(answer["result"]["ocrResults"][0]["prunedResult"]["rec_texts"])


@contextlib.contextmanager
def _paddlex(engine: str, model_set: str, images: Sequence[Path]) -> Iterator[Server]:
    chosen = paddle_set(model_set) if engine == "paddle" else models.model_sets()[model_set]
    python = environment.python("paddlex")
    shipped = next(python.parents[1].glob("lib/python*/site-packages/paddlex/configs/pipelines/OCR.yaml"))
    with tempfile.TemporaryDirectory(prefix="ocr-serving-benchmark-") as name:
        folder, port = Path(name), support.free_port()
        support.fetch(model_set)
        support.fetch(chosen.name)
        contents = inference_files(model_set, _characters(model_set))
        for kind, model in (("det", chosen.det), ("cls", chosen.cls), ("rec", chosen.rec)):
            (folder / kind).mkdir()
            for file in models.catalogue()[model].files:
                if file.name.startswith("inference.") and not file.name.endswith(".yml"):
                    (folder / kind / file.name).symlink_to(models.home(model) / file.name)
            (folder / kind / "inference.yml").write_text(yaml.safe_dump(contents[kind], allow_unicode=True), encoding="utf-8")
        pipeline = paddlex_pipeline(
            yaml.safe_load(shipped.read_text(encoding="utf-8")), model_set, folder, use_angle_cls=chosen.use_angle_cls
        )
        (folder / "OCR.yaml").write_text(yaml.safe_dump(pipeline), encoding="utf-8")
        command = [str(python), "-m", "paddlex", "--serve", "--pipeline", str(folder / "OCR.yaml"), "--engine", engine]
        quiet = {"PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True", "PADDLE_PDX_CACHE_HOME": str(folder / "cache")}
        with support.server(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            support.environment() | quiet,
            ready=f"http://127.0.0.1:{port}/health",
            called=f"PaddleX ({engine})",
            folder=folder,
        ) as pid:
            bodies = [paddlex_body(support.request_body(image)) for image in images]
            ask = functools.partial(servers.post, f"http://127.0.0.1:{port}/ocr", bodies, paddlex_lines)
            yield Server(f"paddlex-{engine}", ask, (pid,))


def paddlex_body(body: bytes) -> bytes:
    """PaddleX's form of one of our requests for one image."""
    return json.dumps({"file": json.loads(body)["images"][0], "fileType": 1}).encode()


@contextlib.contextmanager
def _hubserving(model_set: str, images: Sequence[Path]) -> Iterator[Server]:
    chosen = paddle_set(model_set)
    python = environment.python("hubserving")
    support.fetch(model_set)
    support.fetch(chosen.name)
    port = support.free_port()
    with tempfile.TemporaryDirectory(prefix="ocr-serving-benchmark-") as name:
        characters = Path(name) / "characters.txt"
        characters.write_text("\n".join(_characters(model_set)) + "\n", encoding="utf-8")
        networks = {f"{kind}_model_dir": str(models.home(getattr(chosen, kind))) for kind in ("det", "cls", "rec")}
        params = networks | {"rec_char_dict_path": str(characters), "use_angle_cls": chosen.use_angle_cls} | KEYS_OF_OLD
        with support.server(
            [str(python), str(HERE / "serve_hubserving.py"), json.dumps({"params": params, "port": port})],
            support.environment(),
            ready=f"http://127.0.0.1:{port}/",
            called="Hubserving's stand-in",
            folder=Path(name),
        ) as pid:
            bodies = [support.request_body(image) for image in images]
            url = f"http://127.0.0.1:{port}/predict/ocr_system"
            yield Server(HUBSERVING, functools.partial(servers.post, url, bodies, servers.hubserving_lines), (pid,))


@contextlib.contextmanager
def _rapidocr(model_set: str, images: Sequence[Path]) -> Iterator[Server]:
    chosen = models.model_sets()[model_set]
    python = environment.python("rapidocr")
    support.fetch(model_set)
    params: dict[str, Any] = {"Global.log_level": "error", "Global.use_cls": chosen.use_angle_cls}
    with tempfile.TemporaryDirectory(prefix="ocr-serving-benchmark-") as name:
        for section, model in (("Det", chosen.det), ("Cls", chosen.cls), ("Rec", chosen.rec)):
            params[f"{section}.model_path"] = str(models.home(model) / "inference.onnx")
        if (characters := models.dictionary(models.home(chosen.rec))) is not None:
            listed = Path(name) / "characters.txt"
            listed.write_text("\n".join(characters) + "\n", encoding="utf-8")
            params["Rec.rec_keys_path"] = str(listed)
        command = [str(python), str(HERE / "ask_rapidocr.py"), json.dumps(params), *(str(image.resolve()) for image in images)]
        reader = Answering(command, support.environment(), called="rapidocr")
        try:
            yield Server(RAPIDOCR, servers.pooled([reader]), (reader.pid,))
        finally:
            reader.close()


def faster_paddle(model_set: str, images: Sequence[Path], threads: int | None) -> Answering:
    """faster-paddle in a process, which answers with a page's lines; it runs on all cores unless told how many `threads`.

    It has weights of its own, and is bound to our side for detection. Raises BenchmarkError where it has not those of `model_set`.
    """
    if model_set not in FASTER_SIZES:
        raise BenchmarkError(f"faster-paddle has no weights of {model_set}, but {' and '.join(FASTER_SIZES)}.")
    python = environment.python("faster-paddle")
    settings = {
        "model_size": FASTER_SIZES[model_set],
        "det_max_side": DetectionParams.model_fields["det_limit_side_len"].default,
        "threads": threads,
    }
    command = [str(python), str(HERE / "ask_faster_paddle.py"), json.dumps(settings), *(str(image.resolve()) for image in images)]
    return Answering(command, support.environment(), called="faster-paddle")


@contextlib.contextmanager
def _faster_paddle(name: str, threads: int | None, model_set: str, images: Sequence[Path]) -> Iterator[Server]:
    with contextlib.ExitStack() as stack:
        running = []
        for _ in range(1 if threads is None else machine.cpu_count()):
            running.append(faster_paddle(model_set, images, threads))
            stack.callback(running[-1].close)
        yield Server(name, servers.pooled(running), tuple(reader.pid for reader in running), len(running))


def _characters(model_set: str) -> list[str]:
    """The characters of a set's recogniser, from a file beside it or from its graph."""
    folder = models.home(models.model_sets()[model_set].rec)
    characters = models.dictionary(folder)
    if characters is not None:
        return characters
    metadata = {entry.key: entry.value for entry in onnx.load(folder / "inference.onnx").metadata_props}
    return recognition.listed_characters(metadata["character"])
