from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import networks
from ocr_serving.config.params import RecognitionParams
from ocr_serving.engines import EngineName, engine_options
from ocr_serving.errors import ConfigError, ModelError
from ocr_serving.stages.orientation import line_pixels
from ocr_serving.stages.recognition import MAX_WIDTH, Text, TextRecognizer, batches, decoded, listed_characters

Sizes = list[tuple[int, int]]

SIZES = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 3000)), max_size=40)


def params(**values: Any) -> RecognitionParams:
    return RecognitionParams.read(values, {})


def line(pattern: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A crop 24 pixels high, with 4 columns, one step of the network, for each letter: a black, b white, - grey."""
    shades = {"a": 0, "b": 255, "-": 127}
    row = np.repeat([shades[letter] for letter in pattern], 4).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (24, len(row), 3)).copy()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return networks.dark_and_bright_columns(tmp_path_factory.mktemp("rec") / "inference.onnx")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("rec_width", ["tight", "legacy"])
@pytest.mark.parametrize("rec_batch_num", [1, 3])
def test_each_crop_is_read_and_answers_keep_their_order(
    model: Path, engine: EngineName, rec_width: str, rec_batch_num: int
) -> None:
    recognizer = TextRecognizer(params(rec_width=rec_width, rec_batch_num=rec_batch_num), model, engine_options(engine=engine))
    patterns = ["aa--bb", "b", "aa" * 60 + "--aa", "bbbb--bbbb--aaaa", "----"]
    texts = recognizer([line(pattern) for pattern in patterns])
    assert [text for text, _ in texts] == ["ab", "b", "aa", "bba", ""]
    assert [confidence for _, confidence in texts] == pytest.approx([1, 1, 1, 1, 0], abs=0.05)
    assert recognizer([]) == []


@given(SIZES, st.integers(1, 8), st.sampled_from(["tight", "legacy"]))
def test_every_crop_is_in_one_batch_that_holds_it(sizes: Sizes, rec_batch_num: int, rec_width: str) -> None:
    plan = list(batches(sizes, params(rec_batch_num=rec_batch_num, rec_width=rec_width)))
    assert sorted(itertools.chain.from_iterable(batch.indices for batch in plan)) == list(range(len(sizes)))
    for batch in plan:
        assert 1 <= len(batch.indices) <= rec_batch_num
        assert batch.width <= MAX_WIDTH
        for height, width in (sizes[index] for index in batch.indices):
            assert batch.width in (int(48 * width / height), MAX_WIDTH) or batch.width > 48 * width / height - 1


@given(SIZES)
def test_tight_widths_waste_less_than_a_step(sizes: Sizes) -> None:
    for batch in batches(sizes, params()):
        assert batch.width % 32 == 0
        for height, width in (sizes[index] for index in batch.indices):
            assert batch.width - 32 < np.ceil(48 * width / height)


def test_legacy_widths_are_paddleocrs() -> None:
    sizes = [(48, 100), (48, 700), (48, 500), (48, 120)]
    plan = list(batches(sizes, params(rec_width="legacy", rec_batch_num=2)))
    assert [(batch.indices, batch.width) for batch in plan] == [([0, 3], 320), ([2, 1], 700)]


def test_a_very_long_line_is_squeezed() -> None:
    assert line_pixels(np.zeros((10, 9000, 3), np.uint8), 48, MAX_WIDTH).image.shape == (48, MAX_WIDTH, 3)
    assert [batch.width for batch in batches([(10, 9000)], params())] == [MAX_WIDTH]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1, width=32)), max_size=30))
def test_decoding_is_greedy_ctc(steps: list[tuple[int, float]]) -> None:
    ids = np.array([index for index, _ in steps], np.int32)
    scores = np.array([score for _, score in steps], np.float32)
    runs = [next(group) for _, group in itertools.groupby(steps, key=lambda step: step[0])]
    kept = [(index, score) for index, score in runs if index != 0]
    text, confidence = decoded(ids, scores, ["", "x", "y", "z"])
    assert text == "".join(" xyz"[index] for index, _ in kept)
    assert confidence == pytest.approx(np.mean([score for _, score in kept]) if kept else 0.0, abs=1e-5)


def test_nothing_read_has_no_confidence() -> None:
    assert decoded(np.zeros(5, np.int32), np.ones(5, np.float32), ["", "x"]) == Text("", 0.0)


def test_only_line_feeds_end_a_line_of_a_dictionary() -> None:
    assert listed_characters("a\r\n \n\u2028\n\x85\n\u3000\n") == ["a", " ", "\u2028", "\x85", "\u3000"]


@pytest.mark.parametrize(
    ("listed", "use_space_char", "characters"),
    [
        ("a\n", True, ["", "a", " "]),
        ("a\nb\n", False, ["", "a", "b"]),
        ("a\nb\n", True, ["", "a", "b"]),
        ("blank\na\n \n", True, ["blank", "a", " "]),
    ],
    ids=["space added", "no space", "as many as classes", "blank listed"],
)
def test_dictionaries_with_and_without_blank_and_space(
    tmp_path: Path, listed: str, use_space_char: bool, characters: list[str]
) -> None:
    model = networks.dark_and_bright_columns(tmp_path / "inference.onnx", listed)
    recognizer = TextRecognizer(params(use_space_char=use_space_char), model, engine_options())
    assert recognizer.characters == characters


def test_a_dictionary_that_does_not_fit_is_refused_with_both_numbers(model: Path, tmp_path: Path) -> None:
    listed = tmp_path / "dict.txt"
    listed.write_text("a\nb\nc\nd\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"has 4 characters \(6 classes.*has 3 classes"):
        TextRecognizer(params(rec_char_dict_path=str(listed)), model, engine_options())


def test_a_dictionary_beside_the_model_is_found(tmp_path: Path) -> None:
    model = networks.dark_and_bright_columns(tmp_path / "inference.onnx", None)
    (tmp_path / "dict.txt").write_text("k\nl\n", encoding="utf-8")
    recognizer = TextRecognizer(params(), model, engine_options())
    assert recognizer([line("aa--bb")])[0].text == "kl"


def test_a_model_without_a_dictionary_is_refused(tmp_path: Path) -> None:
    model = networks.dark_and_bright_columns(tmp_path / "inference.onnx", None)
    with pytest.raises(ModelError, match="carries no dictionary: set rec_char_dict_path"):
        TextRecognizer(params(), model, engine_options())


def test_a_dictionary_that_is_not_there_is_refused(model: Path) -> None:
    old = "./ppocr/utils/ppocr_keys_v1.txt"
    with pytest.raises(ConfigError, match=r"there is no file .*ppocr_keys_v1\.txt; correct it, or set it to None"):
        TextRecognizer(params(rec_char_dict_path=old), model, engine_options())


def test_a_network_of_another_height_is_refused_at_start(model: Path) -> None:
    with pytest.raises(ModelError, match=r"failed on input of shape \[\(1, 3, 32, 320\)\]"):
        TextRecognizer(params(rec_image_shape="3, 32, 320"), model, engine_options())
