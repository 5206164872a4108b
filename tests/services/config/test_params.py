from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from ocr_serving import models
from ocr_serving.config.old_params import WITHOUT_MEANING
from ocr_serving.config.params import DetectionParams, LayoutParams, OCRParams, RecognitionParams, StructureParams
from ocr_serving.errors import ConfigError, InputError


class OldConfig:
    pass


def old_params() -> OldConfig:
    """What `read_params()` of PaddleOCR's ocr_system returns, with weights that exist here."""
    cfg: Any = OldConfig()
    cfg.det_algorithm = "DB"
    cfg.det_model_dir = "PP-OCRv3_mobile_det"
    cfg.det_limit_side_len = 960
    cfg.det_limit_type = "max"
    cfg.det_db_thresh = 0.3
    cfg.det_db_box_thresh = 0.5
    cfg.det_db_unclip_ratio = 1.6
    cfg.use_dilation = False
    cfg.det_db_score_mode = "fast"
    cfg.det_east_score_thresh = 0.8
    cfg.det_east_cover_thresh = 0.1
    cfg.det_east_nms_thresh = 0.2
    cfg.rec_algorithm = "CRNN"
    cfg.rec_model_dir = "PP-OCRv3_mobile_rec"
    cfg.rec_image_shape = "3, 48, 320"
    cfg.rec_batch_num = 6
    cfg.max_text_length = 25
    cfg.rec_char_dict_path = "./ppocr/utils/ppocr_keys_v1.txt"
    cfg.use_space_char = True
    cfg.use_angle_cls = True
    cfg.cls_model_dir = "ch_ppocr_mobile_v2.0_cls"
    cfg.cls_image_shape = "3, 48, 192"
    cfg.label_list = ["0", "180"]
    cfg.cls_batch_num = 30
    cfg.cls_thresh = 0.9
    cfg.use_pdserving = False
    cfg.use_tensorrt = False
    cfg.drop_score = 0.5
    assert isinstance(cfg, OldConfig)
    return cfg


def test_an_old_params_file_is_read() -> None:
    params = OCRParams.read(old_params(), {})
    assert (params.det_db_box_thresh, params.det_db_unclip_ratio, params.rec_algorithm) == (0.5, 1.6, "CRNN")
    assert params.rec_image_shape == (3, 48, 320)
    assert params.use_angle_cls is True


def test_attributes_of_a_class_and_a_dict_do_as_well() -> None:
    class Config:
        drop_score = 0.25

    assert OCRParams.read(Config, {}).drop_score == OCRParams.read(Config(), {}).drop_score == 0.25
    assert OCRParams.read({"drop_score": 0.25}, {}).drop_score == 0.25


def test_the_default_set_fills_what_nobody_says() -> None:
    params = OCRParams.read(SimpleNamespace(), {})
    default = models.model_sets()[models.DEFAULT_SET]
    assert (params.det_model_dir, params.rec_model_dir, params.cls_model_dir) == default.models
    assert params.use_angle_cls is default.use_angle_cls
    for name, value in default.params.items():
        assert getattr(params, name) == value


def test_params_py_beats_the_set_and_overrides_beat_params_py() -> None:
    config = SimpleNamespace(
        model_set="PP-OCRv6_tiny", det_db_thresh=0.35, det_model_dir="./mine", use_angle_cls=True, drop_score=0.6
    )
    params = OCRParams.read(config, {"drop_score": 0.7})
    assert (params.det_db_thresh, params.det_model_dir, params.use_angle_cls, params.drop_score) == (0.35, "./mine", True, 0.7)
    assert params.rec_model_dir == "PP-OCRv6_tiny_rec"


def test_none_means_not_set() -> None:
    assert DetectionParams.read({"det_db_thresh": None, "use_pdserving": None}, {"det_limit_type": None}).det_limit_type == "max"


def test_defaults_without_a_set_of_parameters_are_the_published_ones() -> None:
    params = OCRParams.read({"model_set": "PP-OCRv4_mobile"}, {})
    assert (params.det_db_thresh, params.det_db_box_thresh, params.det_db_unclip_ratio) == (0.3, 0.6, 1.5)
    assert (params.det_limit_side_len, params.det_limit_type, params.cls_thresh, params.drop_score) == (960, "max", 0.9, 0.5)
    assert (params.label_list, params.cls_batch_num, params.use_angle_cls) == (("0", "180"), 30, True)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"drop_scor": 0.5}, r"params\.py: unknown key 'drop_scor' \(did you mean 'drop_score'\?\)\."),
        ({"drop_score": 1.5}, r"params\.py: 'drop_score': input should be less than or equal to 1, got 1\.5\."),
        ({"det_algorithm": "EAST"}, r"params\.py: 'det_algorithm': input should be 'DB' or 'DB\+\+', got 'EAST'\."),
        ({"rec_algorithm": "SRN"}, "'rec_algorithm'.*got 'SRN'"),
        ({"rec_image_shape": "3, 48"}, "'rec_image_shape"),
        ({"rec_image_shape": "large"}, r'give three numbers, as in "3, 48, 320", got \'large\''),
        ({"rec_image_shape": "1, 48, 320"}, "'rec_image_shape"),
        ({"det_limit_side_len": 0}, "'det_limit_side_len'"),
        ({"rec_batch_num": 0}, "'rec_batch_num'"),
        ({"use_pdserving": True}, r"'use_pdserving' = True is not supported here: remove it or set it to False"),
        ({"det_box_type": "poly"}, "'det_box_type' = 'poly' is not supported here"),
        ({"model_set": "PP-OCRv6_smal"}, r"no model_set 'PP-OCRv6_smal' \(did you mean 'PP-OCRv6_small'\?\)"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        OCRParams.read(values, {})
    assert "\n" not in str(caught.value)


def test_a_module_takes_its_own_parameters_only() -> None:
    with pytest.raises(ConfigError, match="unknown key 'drop_score'"):
        DetectionParams.read({"drop_score": 0.5}, {})


@pytest.mark.parametrize("name", WITHOUT_MEANING)
def test_old_keys_without_a_meaning_are_no_parameters(name: str) -> None:
    assert name not in OCRParams.model_fields


def test_updates_make_a_copy() -> None:
    params = RecognitionParams.read({}, {})
    assert params.updated(rec_batch_num=None) is params
    assert params.updated(rec_batch_num=9).rec_batch_num == 9
    assert params.rec_batch_num != 9
    with pytest.raises(InputError, match="'rec_batch_num'"):
        params.updated(rec_batch_num=0)
    with pytest.raises(ValidationError):
        params.rec_batch_num = 3  # type: ignore[misc]


def test_structure_parameters_inherit_those_of_tables_and_layout_and_old_files_are_read() -> None:
    old = {"table_max_len": 512, "layout_nms_threshold": 0.4, "det_db_thresh": 0.2, "show_log": False, "mode": "structure"}
    params = StructureParams.read(old, {"layout": False})
    assert (params.table_max_len, params.layout_nms_threshold, params.det_db_thresh, params.layout) == (512, 0.4, 0.2, False)
    assert params.only(LayoutParams).keys() == LayoutParams.model_fields.keys()
    assert LayoutParams.read({}, params.only(LayoutParams)).layout_nms_threshold == 0.4
    with pytest.raises(ConfigError, match="'table_algorithm' = 'TableMaster' is not supported here"):
        StructureParams.read({"table_algorithm": "TableMaster"}, {})


def test_tables_are_read_once_unless_widths_are_the_old_ones_or_it_is_said() -> None:
    assert StructureParams.read({}, {}).reads_tables_once
    assert not StructureParams.read({"rec_width": "legacy"}, {}).reads_tables_once
    assert StructureParams.read({"rec_width": "legacy", "table_text": "page"}, {}).reads_tables_once


def test_a_dictionary_lies_in_the_working_folder_or_in_the_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, here = tmp_path / "my_module", tmp_path / "here"
    for folder in (module, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    (module / "mine.txt").write_text("a\n")

    def path(spec: str) -> str | None:
        return OCRParams.read({"rec_char_dict_path": spec}, {}, module).rec_char_dict_path

    assert path("./mine.txt") == str(module / "mine.txt")
    assert path("nowhere.txt") == "nowhere.txt"
    (here / "mine.txt").write_text("b\n")
    assert path("./mine.txt") == "./mine.txt"
    assert path(str(module / "mine.txt")) == str(module / "mine.txt")


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("Korean", r"did you mean 'korean'\?"),
        (" AUTO ", r"did you mean 'auto'\?"),
        ("ru", r"did you mean 'cyrillic'\?"),
        ("ko", r"did you mean 'korean'\?"),
        ("german", r"did you mean 'latin'\?"),
        ("arabik", r"did you mean 'arabic'\?"),
        ("ch", "leave lang out for Chinese and Japanese"),
        ("japan", "leave lang out for Chinese and Japanese"),
        ("hebrew", "no lang reads that language: name a recogniser that does as rec_model_dir"),
        ("qqqqqq", "there is no lang of that name: take one of auto, korean, "),
        ("", "a lang is one word: take one of auto, korean, "),
        (["korean"], "a lang is one word: take one of auto, korean, "),
        (5, "a lang is one word: take one of auto, korean, "),
    ],
)
def test_what_is_no_lang_is_refused_with_the_one_that_was_meant(lang: object, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^params\.py: 'lang': .*{said}"):
        RecognitionParams.read({"lang": lang}, {})


@pytest.mark.parametrize(
    ("charset", "said"),
    [
        (["de", "fr"], "list single characters, or name one language or script without brackets"),
        (["a", ""], "list single characters"),
        (["a", 5], "list single characters"),
        (5, "name one language or script, such as de or latin, or list characters"),
        ({"de": True}, "name one language or script"),
    ],
)
def test_what_is_neither_the_name_of_a_charset_nor_characters_is_refused(charset: object, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^params\.py: 'charset': {said}"):
        RecognitionParams.read({"charset": charset}, {})
    assert RecognitionParams.read({"charset": ["a", "b"]}, {}).charset == ("a", "b")


def test_every_lang_that_paddleocr_names_is_taken_or_refused_with_advice() -> None:
    for lang in (
        "ch",
        "en",
        "korean",
        "japan",
        "chinese_cht",
        "ta",
        "te",
        "latin",
        "arabic",
        "cyrillic",
        "devanagari",
        "ru",
        "fr",
        "de",
    ):
        try:
            assert RecognitionParams.read({"lang": lang}, {}).lang == lang
        except ConfigError as exc:
            assert any(way in str(exc) for way in ("did you mean", "leave lang out")), lang
