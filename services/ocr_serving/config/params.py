"""Parameters of `params.py` under PaddleOCR's names, as typed, frozen objects with bounds.

A value comes from, the later beating the earlier: the default here, the model set, `read_params()` of the module's params.py,
the overrides of config.json. None in params.py means "not set".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ocr_serving import models
from ocr_serving.config.base_params import Params
from ocr_serving.config.langs import Lang

SideLength = Annotated[int, Field(ge=32, le=16384)]
LimitType = Literal["max", "min"]
Score = Annotated[float, Field(ge=0, le=1)]
Character = Annotated[str, Field(min_length=1, max_length=1)]


def _one_by_one(value: object) -> object:
    """A charset that is a name, or characters each by itself. Raises ValueError, which says what to do, where it is neither."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list | tuple | set | frozenset):
        raise ValueError("name one language or script, such as de or latin, or list characters")
    if not all(isinstance(each, str) and len(each) == 1 for each in value):
        raise ValueError("list single characters, or name one language or script without brackets, such as de or latin")
    return value


Charset = Annotated[str | tuple[Character, ...] | None, BeforeValidator(_one_by_one)]
ReadingOrder = Literal["columns", "legacy"]
Resize = Literal["area", "linear"]
TableEngine = Literal["combined", "network"]
UnclipRatio = Annotated[float, Field(gt=0, le=10)]


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


class OrientationParams(Params):
    """Which way up pages lie."""

    use_doc_orientation_classify: bool | None = Field(
        None, description="Whether pages that lie on their side or on their head are read upright; unset, see rec_width."
    )
    doc_orientation_classify_model_dir: str = Field(
        "text_image_orientation", description="The classifier of pages: a name of `ocr-serving models list`, or a folder."
    )

    @property
    def turns_pages(self) -> bool:
        """Whether pages that lie on their side or on their head are set upright."""
        return self.use_doc_orientation_classify is not False


class RemarkParams(Params):
    """What is said of pages beside the answer; None is this server's way, or PaddleOCR's where `rec_width` is "legacy"."""

    say_unread: bool | None = Field(
        None, description="Say in `msg` which pages are blank, have no text that was read, or read badly; unset, see rec_width."
    )

    @property
    def legacy(self) -> bool:
        """Whether the answers of the old server are asked for."""
        return False

    @property
    def says_unread(self) -> bool:
        """Whether pages that are blank, or not read, are told."""
        return not self.legacy if self.say_unread is None else self.say_unread


class PageParams(RemarkParams):
    """Parameters of whole pages, beyond PaddleOCR's; None is this server's way, or PaddleOCR's where `rec_width` is "legacy"."""

    reading_order: ReadingOrder | None = Field(
        None, description='"columns", along columns and the page\'s slope, or "legacy", as PaddleOCR sorts; unset, see rec_width.'
    )
    det_pieces: bool | None = Field(
        None, description="Whether long and dense pages are looked at in overlapping pieces; unset, see rec_width."
    )

    @property
    def in_pieces(self) -> bool:
        """Whether long and dense pages are looked at in pieces."""
        return not self.legacy if self.det_pieces is None else self.det_pieces

    @property
    def legacy_order(self) -> bool:
        """Whether lines come in PaddleOCR's order."""
        return self.legacy if self.reading_order is None else self.reading_order == "legacy"


class DetectionParams(PageParams, OrientationParams):
    """Parameters of text detection; lengths in pixels."""

    FROM_SET: ClassVar[Mapping[str, str]] = {"det_model_dir": "det"}

    det_algorithm: Literal["DB", "DB++"] = Field("DB", description="Kind of the detector, which tells how its input is normalised.")
    det_model_dir: str = Field(description="The detector: a name of `ocr-serving models list`, or a folder.")
    det_limit_side_len: SideLength = Field(
        960, description="Pixels that a side of the page is scaled to, by default 1152 with PP-OCRv6_small; see det_limit_type."
    )
    det_limit_type: LimitType = Field(
        "max", description="det_limit_side_len bounds the longer (max) or the shorter (min) side; a page within it is not scaled."
    )
    det_db_thresh: Score = Field(0.3, description="Pixels of which the detector is surer than this are text.")
    det_db_box_thresh: Score = Field(0.6, description="Lines whose pixels are on average less sure than this are left out.")
    det_db_unclip_ratio: UnclipRatio = Field(
        1.5, description="How far a line's shrunk outline is grown: by its area times this, over its perimeter."
    )
    use_dilation: bool = Field(False, description="Grow the detector's map by a pixel first, which closes gaps inside letters.")
    det_db_score_mode: Literal["fast", "slow"] = Field(
        "fast", description="Average the pixels of a line over its rectangle (fast) or over its outline (slow)."
    )

    @property
    def turns_pages(self) -> bool:
        """Whether pages that lie on their side or on their head are set upright; unset, not where lines come as PaddleOCR sorts."""
        return not self.legacy_order if self.use_doc_orientation_classify is None else self.use_doc_orientation_classify


class ClassifierParams(Params):
    """Parameters of the angle classifier."""

    FROM_SET: ClassVar[Mapping[str, str]] = {"cls_model_dir": "cls"}

    cls_model_dir: str = Field(description="The angle classifier: a name of `ocr-serving models list`, or a folder.")
    cls_image_shape: ImageShape = Field((3, 48, 192), description="Channels, height and width of its input, in pixels.")
    label_list: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        ("0", "180"), description="Its classes, in order; one with 180 in its name means upside down."
    )
    cls_batch_num: int = Field(30, ge=1, le=1024, description="Lines that it sees at once.")
    cls_thresh: Score = Field(0.9, description="Lines upside down are turned where the classifier is surer than this.")


class RecognitionParams(RemarkParams):
    """Parameters of recognition."""

    FROM_SET: ClassVar[Mapping[str, str]] = {"rec_model_dir": "rec"}

    rec_algorithm: Literal["SVTR_LCNet", "SVTR_HGNet", "CRNN"] = Field(
        "SVTR_LCNet", description="Kind of the recogniser; all are read in one way."
    )
    rec_model_dir: str = Field(description="The recogniser: a name of `ocr-serving models list`, or a folder.")
    rec_image_shape: ImageShape = Field(
        (3, 48, 320), description="Channels, height and, with rec_width legacy, least width of its input, in pixels."
    )
    rec_width: Literal["tight", "legacy"] = Field(
        "tight",
        description=(
            "tight pads each line to its own width, in steps of 32 pixels; legacy to the widest of its batch and at least to"
            " rec_image_shape, as PaddleOCR does: up to a third slower, the same text."
        ),
    )
    rec_batch_num: int = Field(6, ge=1, le=1024, description="Lines that it sees at once.")
    max_text_length: int = Field(25, ge=1, description="Without effect, for old files' sake: lines of any length are read.")
    rec_char_dict_path: str | None = Field(
        None, description="A file with one character a line; without it, the dictionary that the model carries."
    )
    use_space_char: bool = Field(True, description="Whether the dictionary has a space added at its end.")
    rec_spaces: bool | None = Field(
        None,
        description=("Put spaces where a line has them and the network's best guess has not; unset, where rec_width is tight."),
    )
    rec_lexicon: Literal["en", "off"] | None = Field(
        None,
        description=(
            "The language whose words settle doubtful letters on pages that are in it, or off; unset, en where rec_width is tight."
            " Whatever the page's language, what was surely read elsewhere on it settles doubtful words, and their neighbours"
            " letters and digits that look alike."
        ),
    )
    charset: Charset = Field(
        None,
        description=(
            "What may be read and nothing else: the name of a language or a script, such as de, latin or digits, or a list of"
            " characters. It is cut out of the network once, which costs less, too."
        ),
    )
    lang: Lang | None = Field(
        None,
        description=(
            "The language or script whose recogniser reads the lines; unset, that of rec_model_dir; auto: where a page reads badly,"
            " the surest of those that are on this machine."
        ),
    )
    lang_model_dirs: Mapping[Lang, str] = Field(
        default_factory=dict, description="Recognisers of your own for languages: names of `ocr-serving models list`, or folders."
    )
    suggest_lang: bool = Field(
        True,
        description=(
            "Say in `msg` where a page reads badly, or is in a script that the network does not know, and which lang to try; never"
            " beside rec_width legacy."
        ),
    )
    text_direction: Literal["logical", "visual"] = Field(
        "logical", description="Arabic and Hebrew in the order in which they are read, or visual, as they stand on the page."
    )

    @property
    def legacy(self) -> bool:
        """Whether the answers of the old server are asked for."""
        return self.rec_width == "legacy"

    @property
    def puts_spaces(self) -> bool:
        """Whether spaces are put in."""
        return self.rec_width == "tight" if self.rec_spaces is None else self.rec_spaces

    @property
    def lexicon(self) -> str | None:
        """The language whose words are hints."""
        chosen = self.rec_lexicon or ("en" if self.rec_width == "tight" else "off")
        return None if chosen == "off" else chosen

    @property
    def suggests_lang(self) -> bool:
        """Whether pages that read badly are told: the old server knew nothing of languages."""
        return (self.suggest_lang or self.lang == "auto") and self.rec_width != "legacy"


class OCRParams(DetectionParams, ClassifierParams, RecognitionParams):
    """Parameters of the whole pipeline: detection, angle classifier, recognition."""

    FROM_SET: ClassVar[Mapping[str, str]] = {
        **DetectionParams.FROM_SET,
        **ClassifierParams.FROM_SET,
        **RecognitionParams.FROM_SET,
        "use_angle_cls": "use_angle_cls",
    }

    use_angle_cls: bool = Field(description="Whether the angle classifier looks at each line, and turns those upside down.")
    drop_score: Score = Field(0.5, description="Lines that the recogniser is less sure of are left out.")

    @property
    def turns_pages(self) -> bool:
        """Whether pages that lie on their side or on their head are read upright."""
        return not self.legacy if self.use_doc_orientation_classify is None else self.use_doc_orientation_classify


class LayoutParams(RemarkParams, OrientationParams):
    """Parameters of layout analysis."""

    layout_model_dir: str = Field("layout_cdla", description="The network: a name of `ocr-serving models list`, or a folder.")
    layout_dict_path: str | None = Field(
        None, description='Its labels: "cdla", "publaynet", or a file with one a line; without it, the model\'s own.'
    )
    layout_score_threshold: Score = Field(0.5, description="Regions that the network is less sure of are left out.")
    layout_nms_threshold: Score = Field(
        0.5, description="Of two regions of one label that overlap more than this (intersection over union), the surer stays."
    )
    layout_resize: Resize | None = Field(
        None,
        description=(
            "How a page is made smaller for the network: area keeps hairlines, and shows it a page that is light on dark the other"
            " way round; linear is PaddleOCR's way. Unset it is linear where rec_width is legacy, else area."
        ),
    )

    @property
    def resizes_pages(self) -> Resize:
        """How a page is made smaller for the network."""
        return self.layout_resize or "area"


class TableParams(OCRParams):
    """Parameters of table recognition, which inherit those of the OCR that reads the cells."""

    table_model_dir: str = Field(
        "SLANet_plus", description="The network of structures: a name of `ocr-serving models list`, or a folder."
    )
    table_char_dict_path: str | None = Field(
        None, description="A file with one structure token a line; without it, those that come with the model."
    )
    table_max_len: int = Field(488, ge=32, le=2048, description="Pixels of the longer side that a table is scaled to.")
    merge_no_span_structure: bool = Field(
        True, description="Whether the network has one token for a cell without spans, as SLANet_plus has."
    )
    table_engine: TableEngine | None = Field(
        None,
        description=(
            "combined: the network, the rules or the spaces, whichever explains the words best; network: the network alone, on the"
            " picture as it is, as PaddleOCR does. Unset it is network where rec_width is legacy, else combined."
        ),
    )
    find_tables: bool = Field(
        True,
        description=(
            "Whether structure_table looks for the tables of a picture that is a whole page, and structure_system for those of a"
            " region that the layout takes for one; without it, and where table_engine is network, each picture and region is one"
            " table."
        ),
    )
    table_resize: Resize | None = Field(
        None,
        description=(
            "How a table is made smaller for the network: area keeps hairlines, linear is PaddleOCR's way. Unset it is linear where"
            " table_engine is network, else area."
        ),
    )

    @property
    def asks_network_alone(self) -> bool:
        """Whether the network's word is all there is."""
        return (self.table_engine or ("network" if self.legacy else "combined")) == "network"

    @property
    def resizes_tables(self) -> Resize:
        """How a table is made smaller for the network."""
        return self.table_resize or ("linear" if self.asks_network_alone else "area")


class StructureParams(TableParams, LayoutParams):
    """Parameters of whole pages: layout, tables and OCR."""

    layout: bool = Field(True, description="Look for regions; without it the whole image is one table.")
    table: bool = Field(True, description="Recognise tables; without it their lines are told as those of other regions.")
    ocr: bool = Field(True, description="Read; without it regions have no text, but for tables.")
    table_text: Literal["page", "crop"] | None = Field(
        None,
        description=(
            "page: cells take the lines of the page, which is read once; crop: each table is read again by itself, as PaddleOCR"
            " does, which doubles the time of a page full of tables. Unset it is crop where rec_width is legacy, else page."
        ),
    )

    @property
    def reads_tables_once(self) -> bool:
        """Whether cells take the lines of the page."""
        return (self.table_text or ("crop" if self.rec_width == "legacy" else "page")) == "page"

    @property
    def resizes_pages(self) -> Resize:
        """How a page is made smaller for the layout network."""
        return self.layout_resize or ("linear" if self.legacy else "area")


class KieParams(OCRParams):
    """Parameters of key information."""

    kie_algorithm: Literal["LayoutXLM"] = Field("LayoutXLM", description="Whose signature the networks have.")
    use_visual_backbone: bool = Field(False, description="True for networks that take the page's image as well.")
    ser_model_dir: str = Field(
        "kie_demo_ser",
        description=(
            "The network that labels lines, with its sentencepiece.bpe.model beside it: a name of `ocr-serving models list`, or a"
            " folder."
        ),
    )
    re_model_dir: str = Field(
        "kie_demo_re", description="The network that pairs them: a name of `ocr-serving models list`, or a folder."
    )
    ser_dict_path: str | None = Field(None, description="A file with one label a line; without it, QUESTION, ANSWER and HEADER.")
    ocr_order_method: Literal["tb-yx"] = Field("tb-yx", description="Order in which lines go in: top to bottom, left to right.")

    @classmethod
    def published(cls, chosen: models.ModelSet) -> Mapping[str, Any]:
        """What a model set has for parameters of this kind."""
        return {**chosen.params, **chosen.kie_params}
