"""`lang` chooses the recogniser; a page that reads badly says so and is read again where `lang` is auto."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest

from helpers import networks
from helpers.pictures import cut_lines, font_file
from ocr_serving import models
from ocr_serving.config.langs import LangName
from ocr_serving.config.params import RecognitionParams
from ocr_serving.engines import engine_options
from ocr_serving.errors import InputError, ModelError
from ocr_serving.stages import scripts
from ocr_serving.stages.languages import Recognizers

LONG = "ab" * 40
"""A line of 80 characters, one in four columns, and of 13 times its height."""


def line(pattern: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A crop 24 pixels high, with 4 columns, one step of the network, for each letter: a black, b white, - grey."""
    shades = {"a": 0, "b": 255, "-": 127}
    row = np.repeat([shades[letter] for letter in pattern], 4).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (24, len(row), 3)).copy()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recognisers that see dark and bright columns and call them something else each."""
    folder = tmp_path_factory.mktemp("recognisers")
    for name, characters in {"default": "a\nb\n", "signs": ".\n*\n", "korean": "한\n글\n", "hebrew": "ש\nל\n"}.items():
        (folder / name).mkdir()
        networks.dark_and_bright_columns(folder / name / "inference.onnx", characters)
    return folder


@pytest.fixture(scope="module", autouse=True)
def font_found() -> None:
    """The font that lines are drawn in is one of the store's that the tests are about to leave."""
    with contextlib.suppress(ModelError):
        font_file("")


@pytest.fixture(autouse=True)
def nothing_pulled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No language's weights are on this machine."""
    monkeypatch.setenv("OCR_SERVING_MODELS", str(tmp_path / "store"))


def recognizers(made: Path, default: str = "default", **values: Any) -> Recognizers:
    params = RecognitionParams.read({"rec_model_dir": str(made / default), **values}, {})
    return Recognizers(params, engine_options(), lambda spec: models.resolve(spec, root=made).path)


def test_every_language_has_a_recogniser() -> None:
    assert set(get_args(LangName)) == {"auto", *models.languages()}
    assert all(models.catalogue()[spec].kind == "rec" for spec in models.languages().values())


def test_params_and_requests_choose_the_recogniser(made: Path) -> None:
    reads = recognizers(made, lang_model_dirs={"korean": "korean", "arabic": "hebrew"})
    assert reads([line("aa--bb")])[0].text == "ab"
    reads.choose_for_request("korean")
    assert reads([line("aa--bb")])[0].text == "한글"
    reads.choose_for_request(None)
    assert reads([line("aa--bb")])[0].text == "ab"
    korean = recognizers(made, lang="korean", lang_model_dirs={"korean": "korean"})
    assert korean([line("aa--bb")])[0].text == "한글"


def test_a_dictionary_that_was_set_is_the_default_networks(made: Path, tmp_path: Path) -> None:
    (tmp_path / "dict.txt").write_text("x\ny\n")
    reads = recognizers(made, rec_char_dict_path=str(tmp_path / "dict.txt"), lang_model_dirs={"korean": "korean"})
    assert reads([line("aa--bb")])[0].text == "xy"
    reads.choose("korean")
    assert reads([line("aa--bb")])[0].text == "한글"


def test_right_to_left_lines_are_stored_as_they_are_read(made: Path) -> None:
    own = {"arabic": "hebrew"}
    assert recognizers(made, lang="arabic", lang_model_dirs=own)([line("aa--bb")])[0].text == "לש"
    visual = recognizers(made, lang="arabic", lang_model_dirs=own, text_direction="visual")
    assert visual([line("aa--bb")])[0].text == "של"


def test_a_language_that_is_not_here_is_one_sentence(made: Path) -> None:
    sentence = (
        "lang: the model of 'korean' is not on this machine: run `ocr-serving models pull korean_PP-OCRv5_mobile_rec`, "
        "or leave lang out."
    )
    with pytest.raises(ModelError) as at_the_start:
        recognizers(made, lang="korean")
    assert str(at_the_start.value) == sentence
    reads = recognizers(made)
    with pytest.raises(InputError) as asked:
        reads.choose_for_request("korean")
    assert str(asked.value) == sentence
    reads.choose_for_request(None)
    assert reads([line("aa--bb")])[0].text == "ab"


def test_a_page_that_reads_badly_says_what_to_try(made: Path) -> None:
    crops = [line(LONG), line("a-b")]
    texts, remark = recognizers(made, "signs", lang_model_dirs={"korean": "korean"}).read(crops)
    assert [text for text, _ in texts] == ["", ""], "signs are not text"
    assert remark == (
        "reads badly, as if its script were one that this network does not know: try lang korean; there is also lang arabic, "
        "cyrillic, eslav, devanagari, th, el, ta, te, latin, en, after `ocr-serving models pull arabic_PP-OCRv5_mobile_rec` or the "
        "like; if it knows the script, send the page larger or sharper"
    )
    _, remark = recognizers(made, "signs").read(crops)
    assert ": korean, arabic, cyrillic, eslav, devanagari, th, el, ta, te, latin, en are lang to try, after `" in remark


def test_a_page_without_sharp_edges_is_told_as_blurred_and_not_as_of_another_script(made: Path) -> None:
    wide = cv2.resize(line(LONG), None, fx=3, fy=1)
    crops = [np.asarray(cv2.GaussianBlur(wide, (0, 0), 4), np.uint8)]
    texts, remark = recognizers(made, "signs").read(crops)
    assert [text for text, _ in texts] == [""]
    assert remark.startswith("reads badly: its lines are blurred, or too small")
    assert "lang" not in remark


def test_crops_of_nothing_say_nothing_of_scripts(made: Path) -> None:
    blank = np.full((24, 240, 3), 128, np.uint8)
    assert recognizers(made).read([blank, line(LONG)]).remark == ""
    assert recognizers(made, "signs").read([blank]).remark == ""
    assert "reads badly" in recognizers(made, "signs").read([blank, line(LONG)]).remark


def test_the_letters_that_a_network_knows_of_a_script_tell_its_language(made: Path, tmp_path: Path) -> None:
    networks.dark_and_bright_columns(tmp_path / "inference.onnx", "\u03b1\n\u03b5\n")
    _, remark = recognizers(made, str(tmp_path)).read([line(LONG)])
    assert ": el is lang to try, after `ocr-serving models pull el_PP-OCRv5_mobile_rec`; " in remark


def test_a_page_that_reads_well_says_nothing(made: Path) -> None:
    assert recognizers(made).read([line(LONG)]) == (recognizers(made)([line(LONG)]), "")
    assert recognizers(made, "signs").read([line("a-b")]).remark == ""


@pytest.mark.parametrize("off", [{"suggest_lang": False}, {"rec_width": "legacy"}, {"rec_width": "legacy", "lang": "auto"}])
def test_it_can_be_left_unsaid(made: Path, off: dict[str, Any]) -> None:
    reads = recognizers(made, "signs", **off)
    texts, remark = reads.read([line(LONG)])
    assert remark == ""
    assert set(texts[0].text) == {".", "*"}


def test_auto_reads_with_the_surest_language_that_is_here(made: Path) -> None:
    own = {"korean": "korean", "arabic": "signs"}
    reads = recognizers(made, "signs", lang="auto", lang_model_dirs=own)
    crops = [line(LONG), line("a-b")]
    texts, remark = reads.read(crops)
    assert texts[1].text == "한글"
    assert remark == "was read with lang korean"
    assert recognizers(made, lang="auto", lang_model_dirs=own).read(crops)[0][1].text == "ab", "a page that is read stays"
    assert "reads badly" in recognizers(made, "signs", lang="auto", lang_model_dirs={"arabic": "signs"}).read(crops).remark
    reads = recognizers(made, "signs", lang_model_dirs=own)
    reads.choose_for_request("auto")
    assert reads.read(crops).remark == "was read with lang korean"


THAI = ("ใบกำกับภาษีและใบเสร็จรับเงิน", "จำนวนเงินรวมทั้งสิ้น", "กรุงเทพมหานครและปริมณฑล")
CHINESE = ("中华人民共和国居民身份证", "合計金額と日付を記入", "電子發票證明聯及收據")
HEBREW = ("חשבונית מס קבלה ללקוח", "מדינת ישראל משרד הפנים", "סך הכל לתשלום כולל")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (THAI, "looks Thai, which this network does not know: try lang th"),
        (
            HEBREW,
            "looks Hebrew, which this network does not know, nor does any lang: name a recogniser of that script as rec_model_dir",
        ),
        (CHINESE, "looks Chinese or Japanese, which this network does not know: leave lang out"),
    ],
)
@pytest.mark.parametrize("reads_surely", [True, False])
def test_a_lang_that_does_not_fit_the_page_is_said_with_the_one_that_does(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: tuple[str, ...], said: str, reads_surely: bool
) -> None:
    knows_chinese = networks.dark_and_bright_columns(tmp_path / "inference.onnx")
    monkeypatch.setattr(scripts, "LETTERS", {"han": "ab"})
    own = {"korean": "korean" if reads_surely else "signs", "th": "default"}
    reads = recognizers(made, str(knows_chinese), lang_model_dirs=own)
    reads.choose_for_request("korean")
    _, remark = reads.read(cut_lines(*texts))
    assert remark.removeprefix("reads badly, for it ") == said


def test_auto_reads_with_the_language_of_the_script_that_lines_look_like(made: Path) -> None:
    # The gaps between letters are what these recognisers read.
    page = cut_lines("대 한 민 국 정 부 세 금", "합 계 금 액 과 날 짜 를", "서 울 특 별 시 강 남 구")
    own = {"korean": "korean", "th": "hebrew"}
    for default in ("signs", "default"):
        texts, remark = recognizers(made, default, lang="auto", lang_model_dirs=own).read(page)
        assert remark == "was read with lang korean"
        assert set("".join(text.text for text in texts)) <= set("한글 ")


def test_of_a_page_that_a_charset_keeps_from_being_read_the_charset_is_told(made: Path) -> None:
    assert recognizers(made, charset=["a"]).read(cut_lines(*THAI)).remark == "", "what was read is sure"
    remark = recognizers(made, "signs", charset=["."]).read(cut_lines(*THAI)).remark
    assert remark == "reads badly with the charset that is set, as if its letters were not in it: choose another, or none"
