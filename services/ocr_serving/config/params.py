"""Parameters of `params.py` under PaddleOCR's names, as typed, frozen objects with bounds.

A value comes from, the later beating the earlier: the default here, the model set, `read_params()` of the module's params.py,
the overrides of config.json. None in params.py means "not set".
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field

from ocr_serving import models
from ocr_serving.errors import ConfigError, InputError
from ocr_serving.validation import Frozen, did_you_mean, validated

SideLength = Annotated[int, Field(ge=32, le=16384, description="Pixels; see det_limit_type.")]
LimitType = Annotated[
    Literal["max", "min"], Field(description="det_limit_side_len bounds the longer (max) or the shorter (min) side.")
]
Score = Annotated[float, Field(ge=0, le=1)]
Resize = Literal["area", "linear"]
TableEngine = Literal["combined", "network"]
UnclipRatio = Annotated[float, Field(gt=0, le=10, description="How far a detected line is grown.")]


def _image_shape(value: object) -> object:
    """PaddleOCR writes shapes as "3, 48, 320"."""
    if not isinstance(value, str):
        return value
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise ValueError('give three numbers, as in "3, 48, 320"') from None


ImageShape = Annotated[
    tuple[Literal[3], Annotated[int, Field(ge=8, le=512)], Annotated[int, Field(ge=8, le=4096)]], BeforeValidator(_image_shape)
]

WITHOUT_MEANING: Mapping[str, object] = {
    "use_pdserving": False,
    "use_zero_copy_run": False,
    "warmup": False,
    "use_onnx": False,
    "show_log": False,
    "mode": "structure",
    "recovery": False,
    "image_orientation": False,
    "table_algorithm": "TableAttn",
    "vis_font_path": "./doc/fonts/simfang.ttf",
    "det_box_type": "quad",
    "det_east_score_thresh": 0.8,
    "det_east_cover_thresh": 0.1,
    "det_east_nms_thresh": 0.2,
    "det_sast_score_thresh": 0.5,
    "det_sast_nms_thresh": 0.2,
    "det_sast_polygon": False,
}
"""Keys of old params.py files that this server has no use for, with the only value that may stand there."""


class Params(Frozen):
    """What every module's parameters share."""

    model_set: str = models.DEFAULT_SET
    use_tensorrt: bool = False

    FROM_SET: ClassVar[Mapping[str, str]] = {}
    """Fields that the model set fills where nobody else does: field → attribute of the set."""

    @classmethod
    def read(cls, config: object, overrides: Mapping[str, Any], root: Path | None = None) -> Self:
        """Parameters from what `read_params()` returned (any object with attributes, or a dict) and `overrides` of it.

        The path of a dictionary (`*_dict_path`) is relative to the working folder, or where it is not there to `root`. Raises
        ConfigError with a sentence that names the key.
        """
        given = _meaningful(attributes(config), "params.py") | _meaningful(overrides, "params")
        known = models.model_sets()
        name = str(given.get("model_set", models.DEFAULT_SET))
        if name not in known:
            raise ConfigError(
                f"params.py: there is no model_set '{name}'{did_you_mean(name, known)}: take one of {', '.join(known)}."
            )
        chosen = known[name]
        from_set = {field: getattr(chosen, attribute) for field, attribute in cls.FROM_SET.items()}
        published = {name: value for name, value in chosen.params.items() if name in cls.model_fields}
        given |= {key: _found(value, root) for key, value in given.items() if key.endswith("_dict_path") and isinstance(value, str)}
        return validated(cls, from_set | published | given, where="params.py", error=ConfigError)

    def updated(self, **changes: object) -> Self:
        """A copy with `changes`, of which None means "as it is". Raises InputError."""
        given = {name: value for name, value in changes.items() if value is not None}
        if not given:
            return self
        return validated(type(self), dict(self) | given, where="predict", error=InputError)

    def only(self, cls: type[Params]) -> dict[str, Any]:
        """The values of the fields that `cls` has: overrides for a module that is a part of another."""
        return {name: getattr(self, name) for name in cls.model_fields}


def _found(spec: str, root: Path | None) -> str:
    """`spec`, or the file of that name below `root` where the working folder has none."""
    path = Path(spec).expanduser()
    return spec if root is None or path.exists() or not (root / path).is_file() else str(root / path)


class DetectionParams(Params):
    """Parameters of text detection; lengths in pixels."""

    FROM_SET: ClassVar[Mapping[str, str]] = {"det_model_dir": "det"}

    det_algorithm: Literal["DB", "DB++"] = "DB"
    det_model_dir: str
    det_limit_side_len: SideLength = 960
    det_limit_type: LimitType = "max"
    det_db_thresh: Score = 0.3
    det_db_box_thresh: Score = 0.6
    det_db_unclip_ratio: UnclipRatio = 1.5
    use_dilation: bool = False
    det_db_score_mode: Literal["fast", "slow"] = "fast"


class ClassifierParams(Params):
    """Parameters of the angle classifier."""

    FROM_SET: ClassVar[Mapping[str, str]] = {"cls_model_dir": "cls"}

    cls_model_dir: str
    cls_image_shape: ImageShape = (3, 48, 192)
    label_list: Annotated[tuple[str, ...], Field(min_length=1)] = ("0", "180")
    cls_batch_num: int = Field(30, ge=1, le=1024)
    cls_thresh: Score = 0.9


class RecognitionParams(Params):
    """Parameters of recognition.

    `rec_width` tight pads each crop to a multiple of 32 of its own width, legacy to the widest of its batch and at least to
    `rec_image_shape`, as PaddleOCR does. `rec_char_dict_path` None takes the dictionary the model carries. `max_text_length` is
    taken for old files' sake: CTC reads lines of any length.
    """

    FROM_SET: ClassVar[Mapping[str, str]] = {"rec_model_dir": "rec"}

    rec_algorithm: Literal["SVTR_LCNet", "SVTR_HGNet", "CRNN"] = "SVTR_LCNet"
    rec_model_dir: str
    rec_image_shape: ImageShape = (3, 48, 320)
    rec_width: Literal["tight", "legacy"] = "tight"
    rec_batch_num: int = Field(6, ge=1, le=1024)
    max_text_length: int = Field(25, ge=1)
    rec_char_dict_path: str | None = None
    use_space_char: bool = True


class OCRParams(DetectionParams, ClassifierParams, RecognitionParams):
    """Parameters of the whole pipeline: detection, angle classifier, recognition."""

    FROM_SET: ClassVar[Mapping[str, str]] = {
        **DetectionParams.FROM_SET,
        **ClassifierParams.FROM_SET,
        **RecognitionParams.FROM_SET,
        "use_angle_cls": "use_angle_cls",
    }

    use_angle_cls: bool
    drop_score: Score = 0.5


class LayoutParams(Params):
    """Parameters of layout analysis.

    `layout_dict_path` is the list of labels: "cdla", "publaynet", a file with one label a line, or None for the model's own.
    `layout_resize` says how a page is made smaller: "area" keeps hairlines, "linear" is PaddleOCR's way; None is "area", but
    "linear" where `rec_width` is "legacy".
    """

    layout_model_dir: str = "layout_cdla"
    layout_dict_path: str | None = None
    layout_score_threshold: Score = 0.5
    layout_nms_threshold: Score = 0.5
    layout_resize: Resize | None = None

    @property
    def resizes_pages(self) -> Resize:
        """How a page is made smaller for the network."""
        return self.layout_resize or "area"


class TableParams(OCRParams):
    """Parameters of table recognition, which inherit those of the OCR that reads the cells.

    `table_max_len` is the longer side, in pixels, that a table is scaled to. `table_char_dict_path` None takes the structure tokens
    that come with the model. `merge_no_span_structure` says that the network has one token for a cell without spans, as SLANet_plus
    has.

    `table_engine` "combined" asks rules and spaces beside the network and takes what explains the words best; "network" asks the
    network alone, on the picture as it is, as PaddleOCR does; None is "combined", but "network" where `rec_width` is "legacy".
    `table_resize` says how a table is made smaller for the network: "area" keeps hairlines, "linear" is PaddleOCR's way; None is
    "area" for "combined" and "linear" for "network".
    """

    table_model_dir: str = "SLANet_plus"
    table_char_dict_path: str | None = None
    table_max_len: int = Field(488, ge=32, le=2048)
    merge_no_span_structure: bool = True
    table_engine: TableEngine | None = None
    table_resize: Resize | None = None

    @property
    def asks_network_alone(self) -> bool:
        """Whether the network's word is all there is."""
        return (self.table_engine or ("network" if self.rec_width == "legacy" else "combined")) == "network"

    @property
    def resizes_tables(self) -> Resize:
        """How a table is made smaller for the network."""
        return self.table_resize or ("linear" if self.asks_network_alone else "area")


class StructureParams(TableParams, LayoutParams):
    """Parameters of whole pages: layout, tables and OCR, each of which `layout`, `table` and `ocr` switch.

    `table_text` "page" puts the page's lines into the cells; "crop" reads each table again by itself, as PaddleOCR does, which
    doubles the time of a page full of tables; None is "crop" where `rec_width` is "legacy", else "page".
    """

    layout: bool = True
    table: bool = True
    ocr: bool = True
    table_text: Literal["page", "crop"] | None = None

    @property
    def reads_tables_once(self) -> bool:
        """Whether cells take the lines of the page."""
        return (self.table_text or ("crop" if self.rec_width == "legacy" else "page")) == "page"

    @property
    def resizes_pages(self) -> Resize:
        """How a page is made smaller for the layout network."""
        return self.layout_resize or ("linear" if self.rec_width == "legacy" else "area")


class KieParams(OCRParams):
    """Parameters of key information.

    `ser_model_dir` and `re_model_dir` hold networks of LayoutXLM's signature; the tokenizer's sentencepiece model is in the first.
    `ser_dict_path` is a list of labels; None is QUESTION, ANSWER, HEADER.
    """

    kie_algorithm: Literal["LayoutXLM"] = "LayoutXLM"
    use_visual_backbone: bool = False
    ser_model_dir: str = "kie_demo_ser"
    re_model_dir: str = "kie_demo_re"
    ser_dict_path: str | None = None
    ocr_order_method: Literal["tb-yx"] = "tb-yx"


def attributes(config: object) -> dict[str, Any]:
    """`config` as a dict: old files return a bare class with attributes, on itself or on an instance."""
    if isinstance(config, Mapping):
        return dict(config)
    names = (name for name in dir(config) if not name.startswith("_"))
    values = {name: getattr(config, name) for name in names}
    return {name: value for name, value in values.items() if not callable(value)}


def _meaningful(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`values` without what is not set and without old keys; an old key that asks for something is refused."""
    for name, harmless in WITHOUT_MEANING.items():
        if values.get(name) not in (None, harmless):
            raise ConfigError(f"{where}: '{name}' = {values[name]!r} is not supported here: remove it or set it to {harmless!r}.")
    return {name: value for name, value in values.items() if value is not None and name not in WITHOUT_MEANING}
