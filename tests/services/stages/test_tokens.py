"""Tokens as XLM-RoBERTa numbers them."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece

from ocr_serving.data import PACKAGED
from ocr_serving.errors import ModelError
from ocr_serving.stages.tokens import Tokenizer

FILE = PACKAGED / "kie_demo_ser" / "sentencepiece.bpe.model"


def test_pieces_are_numbered_one_higher_than_sentencepiece_does() -> None:
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(FILE)).encode("Invoice no. 2041")
    assert min(pieces) > 2
    assert Tokenizer(FILE.parent)("Invoice no. 2041") == [piece + 1 for piece in pieces]


def test_what_no_piece_has_is_the_unknown_token() -> None:
    assert Tokenizer.UNKNOWN in Tokenizer(FILE.parent)("\u16a0\u16b1")


@pytest.mark.parametrize("text", ["", "  \t"])
def test_no_text_has_no_tokens(text: str) -> None:
    assert Tokenizer(FILE.parent)(text) == []


def test_the_tokenizer_lies_beside_the_network(tmp_path: Path) -> None:
    (tmp_path / "sentencepiece.bpe.model").write_bytes(FILE.read_bytes())
    assert Tokenizer(tmp_path / "model.onnx")("date") == Tokenizer(FILE.parent)("date")


def test_a_folder_without_tokenizer_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no sentencepiece\.bpe\.model: put the tokenizer"):
        Tokenizer(tmp_path)


def test_a_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sentencepiece.bpe.model").write_bytes(b"not one")
    with pytest.raises(ModelError, match="is damaged or is not a sentencepiece model"):
        Tokenizer(tmp_path)
