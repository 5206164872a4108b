"""ONNX models as onnxruntime is given them: folded, checked to answer the same, kept for the next start."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from functools import cache
from pathlib import Path

import numpy as np

from ocr_serving import atomic, models
from ocr_serving.engines.base import Ctc, Precision
from ocr_serving.engines.graphs.edits import with_classes, with_greedy_ctc
from ocr_serving.engines.graphs.folding import folded
from ocr_serving.engines.graphs.quantising import Ranges, quantised, ranges_of
from ocr_serving.errors import ModelError

log = logging.getLogger(__name__)

FOLDER = ".prepared"
"""Where prepared models lie in the first store, by the hash of what they were made from, and by what code."""

MOST_BYTES = 256 * 2**20
"""Larger files are language models, in which there is nothing to fold and which would be in memory several times over."""

PROBES = ((64, 64), (48, 64))
"""Height and width, where the network takes any, of the picture to compare answers on: for detectors, and for recognisers, of which
some take any height but only work with their own."""

TOLERANCE = 1e-4
"""How far answers, probabilities between 0 and 1, may be apart. Rounding alone moves them by up to 5e-6."""


def prepared(file: Path, *, greedy_ctc: Ctc | bool = False, precision: Precision = "fp32") -> bytes:
    """The model in `file`, with fewer operators, with greedy CTC decoding where that is asked for, in int8 by `precision`.

    The work is done once for a model where the store can be written, else at each call, in about a third of a second, and some two
    more for int8. Where the folded network should not answer as the file's own does, the latter is used, and the log says so.
    Raises ModelError, or ConfigError where no ranges for int8 are known.
    """
    model = file.read_bytes()
    if len(model) > MOST_BYTES and precision != "int8":
        return _decoding(model, greedy_ctc, file)
    weights = hashlib.sha256(model)
    ranges = ranges_of(weights.hexdigest(), str(file)) if precision == "int8" else None
    kept = _kept(weights.digest(), greedy_ctc, ranges)
    known = None if kept is None else _read(kept)
    if known is not None:
        return known
    made = folded(model, str(file))
    if not is_same(model, made):
        log.warning("%s is used as it is: folded it answers otherwise, or could not be compared", file)
        made = model
    if ranges is not None:
        made = quantised(made, ranges, str(file))
    made = _decoding(made, greedy_ctc, file)
    if kept is not None:
        _write(kept, made)
    return made


def _decoding(model: bytes, greedy_ctc: Ctc | bool, file: Path) -> bytes:
    """`model` with what `greedy_ctc` asks for."""
    if not greedy_ctc:
        return model
    ctc = greedy_ctc if isinstance(greedy_ctc, Ctc) else Ctc()
    return with_greedy_ctc(with_classes(model, ctc.kept, str(file)) if ctc.kept else model, str(file), told=ctc.told)


def is_same(model: bytes, other: bytes) -> bool:
    """Whether two ONNX models answer the same for one picture; False too where that cannot be found out."""
    if model == other:
        return True
    for size in PROBES:
        try:
            answers = [_answers(one, size) for one in (model, other)]
        except Exception:  # noqa: BLE001, S112 -- onnxruntime raises what it likes; whatever it is, `model` is safe to use
            continue
        return len(answers[0]) == len(answers[1]) and all(
            a.shape == b.shape and np.allclose(a, b, rtol=0, atol=TOLERANCE) for a, b in zip(*answers, strict=True)
        )
    return False


def _answers(model: bytes, size: tuple[int, int]) -> list[np.ndarray]:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (picture,) = session.get_inputs()
    shape = [stated if isinstance(stated, int) else chosen for stated, chosen in zip(picture.shape, (1, 3, *size), strict=True)]
    values = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    answers: list[np.ndarray] = session.run(None, {picture.name: values})
    return answers


def _kept(weights: bytes, greedy_ctc: Ctc | bool, ranges: Ranges | None) -> Path | None:
    """Where what is made of the model with the hash `weights` is kept; None where there is no store."""
    try:
        root = models.store_root()
    except ModelError:
        return None
    digest = hashlib.sha256(weights)
    plain = greedy_ctc is True or greedy_ctc == Ctc()
    digest.update(_code() + f" {True if plain else greedy_ctc}".encode())
    if ranges is not None:
        digest.update(ranges.digest.encode())
    return root / FOLDER / f"{digest.hexdigest()}.onnx"


@cache
def _code() -> bytes:
    """A hash of the code of this room: what another version made of a model is not what this one would make of it."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.digest()


def _read(file: Path) -> bytes | None:
    """A model that `_write` wrote; None where there is none, or a damaged one."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    digest, model = content[:size], content[size:]
    return model if hashlib.sha256(model).digest() == digest else None


def _write(file: Path, model: bytes) -> None:
    """Keep `model` where the store can be written; the file appears whole or not at all."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        atomic.write(file, hashlib.sha256(model).digest() + model, mode=0o644)
