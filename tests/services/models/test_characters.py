"""Character lists: every line counts, whatever it holds."""

from pathlib import Path

import pytest

from ocr_serving import models
from ocr_serving.errors import ModelError


def test_text_keeps_odd_characters_in_place(tmp_path: Path) -> None:
    # An ideographic space, a line separator and a no-break space are characters of real dictionaries; so is CRLF their end.
    (tmp_path / "dict.txt").write_bytes("\u3000\r\n\u2028\r\n\u00a0\r\n 1\r\n\r\n#\r\n".encode())
    assert models.dictionary(tmp_path) == ["\u3000", "\u2028", "\u00a0", " 1", "", "#"]


def test_last_line_without_end(tmp_path: Path) -> None:
    (tmp_path / "ppocr_keys_v1.txt").write_text("a\nb", encoding="utf-8")
    assert models.dictionary(tmp_path) == ["a", "b"]


def test_inference_yml_comes_first_and_stays_text(tmp_path: Path) -> None:
    (tmp_path / "dict.txt").write_text("x\n")
    (tmp_path / "inference.yml").write_text("PostProcess:\n  character_dict:\n  - '1'\n  - n\n  - ~\n  - '~'\n  - '　'\n", "utf-8")
    assert models.dictionary(tmp_path) == ["1", "n", "~", "~", "　"]


def test_inference_yml_of_a_detector_has_none(tmp_path: Path) -> None:
    (tmp_path / "inference.yml").write_text("PostProcess:\n  name: DBPostProcess\n")
    assert models.dictionary(tmp_path) is None


def test_beside_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "rec.onnx").write_bytes(b"")
    assert models.dictionary(tmp_path / "rec.onnx") is None
    (tmp_path / "en_dict.txt").write_text("a\n")
    assert models.dictionary(tmp_path / "rec.onnx") == ["a"]


def test_two_that_could_be_meant(tmp_path: Path) -> None:
    for name in ("en_dict.txt", "japan_dict.txt"):
        (tmp_path / name).write_text("a\n")
    with pytest.raises(ModelError, match=r"en_dict.txt, japan_dict.txt\); name one with rec_char_dict_path"):
        models.dictionary(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("dict.txt", b"\xff\xfe", "must be UTF-8"),
        ("dict.txt", b"", "is empty"),
        ("inference.yml", b"a: [", "Cannot read"),
        ("inference.yml", b"PostProcess: {character_dict: abc}", "must be a list"),
    ],
)
def test_unreadable(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=complaint):
        models.dictionary(tmp_path)


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "length", "first"),
    [("PP-OCRv6_tiny_rec", 6904, "!"), ("PP-OCRv5_mobile_rec", 18383, "\u3000"), ("PP-OCRv4_mobile_rec_paddle", 6623, "'")],
)
def test_dictionaries_of_the_catalogue(name: str, length: int, first: str) -> None:
    try:
        characters = models.dictionary(models.resolve(name).path)
    except ModelError as error:
        pytest.skip(str(error))
    assert characters is not None
    assert (len(characters), characters[0]) == (length, first)
