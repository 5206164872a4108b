"""Encoding of lines for a network of LayoutXLM's signature, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.networks import every_pair, ids_modulo_seven
from ocr_serving.config.params import KieParams
from ocr_serving.data import PACKAGED
from ocr_serving.engines import engine_options
from ocr_serving.errors import ConfigError, ModelError
from ocr_serving.stages import kie
from ocr_serving.stages.kie import Label, Span
from ocr_serving.stages.tokens import PAD

OTHER, QUESTION, ANSWER, HEADER = Label("O", 0), Label("QUESTION", 1), Label("ANSWER", 3), Label("HEADER", 5)
PAGE = np.full((200, 100, 3), 255, np.uint8)


def letters(text: str) -> list[int]:
    """A token for each letter."""
    return [ord(letter) for letter in text]


def windows(texts: list[str]) -> list[kie.Window]:
    boxes = [(10.0, 20.0 * n, 60.0, 20.0 * n + 15) for n in range(len(texts))]
    return kie.windows(texts, boxes, (1000, 100), list(range(len(texts))), letters)


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(1, 25))
def test_windows_lose_nothing_double_nothing_and_keep_the_order(lengths: list[int], size: int) -> None:
    found = kie.split(lengths, size)
    tokens = [(piece.line, at) for window in found for piece in window for at in range(piece.start, piece.stop)]
    assert tokens == [(line, at) for line, length in enumerate(lengths) for at in range(length)]
    assert all(0 < sum(piece.stop - piece.start for piece in window) <= size for window in found)


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(1, 25))
def test_only_a_line_longer_than_a_window_is_cut(lengths: list[int], size: int) -> None:
    pieces = [piece for window in kie.split(lengths, size) for piece in window]
    for line, length in enumerate(lengths):
        count = sum(piece.line == line for piece in pieces)
        assert count == (1 if 0 < length <= size else -(-length // size))


def test_windows_are_filled_before_the_next_one_begins() -> None:
    assert [len(window) for window in kie.split([5, 5, 5, 5, 5], 10)] == [2, 2, 1]


def test_a_window_is_what_the_network_takes() -> None:
    (window,) = windows(["ab", "c"])
    assert [value.shape for value in window.inputs] == [(1, 512), (1, 512, 4), (1, 512), (1, 512)]
    assert {value.dtype for value in window.inputs} == {np.dtype(np.int64)}
    assert window.input_ids[0, :4].tolist() == [ord("a"), ord("b"), ord("c"), PAD]
    assert window.attention_mask[0].tolist() == [1] * 3 + [0] * 509
    assert window.bbox[0, :4].tolist() == [[100, 0, 600, 15], [100, 0, 600, 15], [100, 20, 600, 35], [0, 0, 0, 0]]
    assert window.spans == (Span(0, 0, 2), Span(1, 2, 3))


def test_a_long_page_is_read_in_several_windows_with_every_line_in_one() -> None:
    found = windows(["x" * 100] * 12)
    assert [span.line for window in found for span in window.spans] == list(range(12))
    assert [len(window.spans) for window in found] == [5, 5, 2]


def test_lines_without_tokens_are_in_no_window() -> None:
    assert windows(["", ""]) == []
    assert windows([]) == []


def test_boxes_beyond_the_page_stay_within_a_thousand() -> None:
    assert kie.scaled((-5, 10, 210, 410), 200, 400) == (0, 25, 1000, 1000)


def test_the_order_is_by_rows_then_from_the_left() -> None:
    boxes = [(300.0, 12.0, 400.0, 30.0), (10.0, 0.0, 90.0, 20.0), (10.0, 100.0, 90.0, 120.0), (120.0, 8.0, 200.0, 25.0)]
    assert kie.order_tb_yx(boxes) == [1, 3, 0, 2]


def test_a_line_is_what_most_of_its_tokens_are() -> None:
    votes = [np.array([1, 2, 2, 0]), np.array([0, 0, 3]), np.array([4, 1, 3]), np.array([6]), np.zeros(0, np.int64)]
    assert kie.majority(votes, kie.LABELS) == [QUESTION, OTHER, ANSWER, HEADER, OTHER]


def test_entities_and_relations_have_their_counts_first() -> None:
    (window,) = windows(["q", "other", "ans", "h", "q2"])
    entities, relations, spans = kie.entities_and_relations(window, [QUESTION, OTHER, ANSWER, HEADER, QUESTION])
    assert entities.shape == (1, 513, 3)
    assert entities[0, :6].tolist() == [[4, 4, 4], [0, 1, 1], [6, 9, 2], [9, 10, 0], [10, 12, 1], [-1, -1, -1]]
    assert relations.tolist() == [[[2, 2], [0, 1], [3, 1]]]
    assert [span.line for span in spans] == [0, 2, 3, 4]


def test_without_a_pair_to_ask_for_relations_are_only_the_count() -> None:
    (window,) = windows(["q"])
    assert kie.entities_and_relations(window, [QUESTION])[1].tolist() == [[[0, 0]]]


def test_an_answer_goes_to_the_first_question_that_is_predicted() -> None:
    predicted = np.full((1, 9, 7, 2), -1)
    predicted[0, 0] = 3
    for row, (question, answer) in enumerate([(2, 1), (0, 1), (0, 3), (2, 3)], 1):
        predicted[0, row, 0, 0], predicted[0, row, 3, 0] = question, answer
    spans = [Span(line, 0, 1) for line in (10, 11, 12, 13)]
    assert kie.pairs(predicted, spans) == [(12, 11), (10, 13)]


def test_the_image_is_normalised_and_small() -> None:
    image = kie.network_image(PAGE)
    assert image.shape == (1, 3, 224, 224)
    assert image.dtype == np.float32
    assert image[0, :, 5, 5] == pytest.approx([(255 - 123.675) / 58.395, (255 - 116.28) / 57.12, (255 - 103.53) / 57.375])


def test_a_list_of_labels_is_read_as_paddleocr_has_it(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("OTHER\nQUESTION\nTotal\n")
    assert kie.read_labels(str(tmp_path / "labels.txt")) == ("QUESTION", "TOTAL")
    with pytest.raises(ConfigError, match=r"ser_dict_path: .*missing\.txt cannot be read"):
        kie.read_labels(str(tmp_path / "missing.txt"))


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[Callable[..., Path], bool], Path]:
    """Makes a model's folder with the demo's tokenizer and a network."""

    def make(network: Callable[..., Path], image: bool) -> Path:
        made = tmp_path / network.__name__
        made.mkdir()
        network(made / "inference.onnx", image=image)
        (made / "sentencepiece.bpe.model").write_bytes((PACKAGED / "kie_demo_ser" / "sentencepiece.bpe.model").read_bytes())
        return made

    return make


def params(**given: Any) -> KieParams:
    return KieParams.read({"use_angle_cls": False}, given)


@pytest.mark.parametrize("image", [False, True], ids=["text and boxes", "with image"])
def test_labels_and_pairs_of_a_network_of_that_signature(folder: Any, image: bool) -> None:
    settings = params(use_visual_backbone=image)
    labeller = kie.EntityLabeller(settings, folder(ids_modulo_seven, image), engine_options())
    finder = kie.RelationFinder(settings, folder(every_pair, image), engine_options())
    tokens = list(range(700, 714))
    labeller.tokens = lambda text: [tokens[int(text)]] * 3  # type: ignore[assignment]
    boxes = [(0.0, 10.0 * n, 50.0, 10.0 * n + 8) for n in range(7)]
    found, labels = labeller(PAGE, [str(n) for n in range(7)], boxes)
    assert labels == [OTHER, QUESTION, QUESTION, ANSWER, ANSWER, HEADER, HEADER]
    assert finder(PAGE, found, labels) == [(1, 3), (1, 4)]


def test_a_page_without_lines_is_nothing(folder: Any) -> None:
    labeller = kie.EntityLabeller(params(), folder(ids_modulo_seven, False), engine_options())
    assert labeller(PAGE, [], []) == ([], [])


@pytest.mark.parametrize("image", [False, True])
def test_a_visual_backbone_that_is_there_or_not_is_told(folder: Any, image: bool) -> None:
    settings = params(use_visual_backbone=not image)
    with pytest.raises(ModelError, match=f"with use_visual_backbone {'off' if image else 'on'}: switch it"):
        kie.EntityLabeller(settings, folder(ids_modulo_seven, image), engine_options())
    with pytest.raises(ModelError, match=f"with use_visual_backbone {'off' if image else 'on'}: switch it"):
        kie.RelationFinder(settings, folder(every_pair, image), engine_options())


def test_labels_that_do_not_fit_the_network_are_refused(folder: Any, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("QUESTION\nANSWER\n")
    with pytest.raises(ModelError, match="set ser_dict_path to the list of labels"):
        kie.EntityLabeller(params(ser_dict_path=str(tmp_path / "labels.txt")), folder(ids_modulo_seven, False), engine_options())


def test_the_wrong_network_for_relations_is_refused(folder: Any) -> None:
    with pytest.raises(ModelError, match="re_model_dir"):
        kie.RelationFinder(params(), folder(ids_modulo_seven, False), engine_options())
