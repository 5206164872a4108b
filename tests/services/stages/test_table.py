"""Table structure: the network's input, its steps to tokens and cells, the list of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocr_serving import models
from ocr_serving.config.params import TableParams
from ocr_serving.engines import EngineOptions
from ocr_serving.errors import ConfigError, ModelError
from ocr_serving.stages.table import TOKENS, TableStructurer, structure_of, table_input, tokens

VOCABULARY = ["sos", "<tr>", "<td></td>", "</tr>", "eos"]


def steps(*said: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.eye(len(VOCABULARY), dtype=np.float32)[[VOCABULARY.index(token) for token in said]]


def test_a_table_is_scaled_to_its_longer_side_and_padded_with_zeros() -> None:
    tensor, ratio = table_input(np.full((100, 200, 3), 255, np.uint8), 488)
    assert tensor.shape == (1, 3, 488, 488)
    assert ratio == 2.44
    assert tensor[0, :, :244].min() > 2
    assert not tensor[0, :, 244:].any()
    assert table_input(np.zeros((1, 5000, 3), np.uint8), 488)[0].shape == (1, 3, 488, 488)


def test_steps_become_tokens_and_cells_up_to_the_end() -> None:
    places = np.arange(48, dtype=np.float32).reshape(6, 8) / 100
    structure = structure_of(places, steps("<tr>", "<td></td>", "<td></td>", "</tr>", "eos", "<td></td>"), VOCABULARY, 200)
    assert structure.tokens == ["<tr>", "<td></td>", "<td></td>", "</tr>"]
    assert not structure.cut
    assert structure.cells == pytest.approx(places[1:3] * 200)
    assert structure_of(places, steps("<tr>", "<td></td>"), VOCABULARY, 1).cut
    assert structure_of(places, steps("sos", "eos"), VOCABULARY, 1).cells.shape == (0, 8)


def test_upright_cells_of_four_numbers_become_corners() -> None:
    structure = structure_of(np.array([[0, 0, 0, 0], [1, 2, 3, 4]], np.float32), steps("<tr>", "<td></td>", "eos"), VOCABULARY, 10)
    assert structure.cells.tolist() == [[10, 20, 30, 20, 30, 40, 10, 40]]


def test_tokens_come_from_a_file_the_model_or_are_paddleocrs(tmp_path: Path) -> None:
    params = TableParams.read({}, {})
    assert len(tokens(params, {}, tmp_path)) == len(TOKENS) + 2 == 50
    assert "<td>" not in tokens(params, {}, tmp_path)
    assert tokens(params.updated(merge_no_span_structure=False), {}, tmp_path) == ["sos", *TOKENS, "eos"]
    assert tokens(params, {"character": '<tr>\n<td>\n colspan="2"'}, tmp_path) == [
        "sos",
        "<tr>",
        ' colspan="2"',
        "<td></td>",
        "eos",
    ]
    (tmp_path / "mine.txt").write_text("<tr>\n</tr>\n", encoding="utf-8")
    mine = params.updated(table_char_dict_path=str(tmp_path / "mine.txt"))
    assert tokens(mine, {"character": "x"}, tmp_path) == ["sos", "<tr>", "</tr>", "<td></td>", "eos"]
    with pytest.raises(ConfigError, match=r"table_char_dict_path: there is no file nowhere\.txt"):
        tokens(params.updated(table_char_dict_path="nowhere.txt"), {}, tmp_path)


@pytest.mark.models
@pytest.mark.parametrize(
    ("model", "params", "options", "error", "sentence"),
    [
        ("PP-OCRv6_tiny_det", {"table_max_len": 64}, {}, ModelError, "is no SLANet table network"),
        ("SLANet_plus", {"merge_no_span_structure": False}, {}, ModelError, "51 with start and end: .*merge_no_span_structure"),
        ("SLANet_plus", {}, {"engine": "openvino"}, ConfigError, "Engine 'openvino' cannot run the table network: set engine"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(
    model: str, params: dict[str, Any], options: dict[str, Any], error: type[Exception], sentence: str, tmp_path: Path
) -> None:
    models.pull([model])
    if "merge_no_span_structure" in params:
        (tmp_path / "tokens.txt").write_text("\n".join([*TOKENS, "<td></td>"]), encoding="utf-8")
        params = params | {"table_char_dict_path": str(tmp_path / "tokens.txt")}
    with pytest.raises(error, match=sentence):
        TableStructurer(TableParams.read(params, {}), models.resolve(model).path, EngineOptions(**options))
