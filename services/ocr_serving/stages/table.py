"""Table structure with a SLANet network: the picture of a table in, tokens of HTML and the places of its cells out.

Follows PaddleOCR 2.10 (`predict_structure.py`, `TableLabelDecode`). The network is described in Li et al., "PP-StructureV2: A
Stronger Document Analysis System", 2022 (arXiv 2210.05391).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocr_serving import models
from ocr_serving.config.params import Resize, TableParams
from ocr_serving.decoding.images import Image
from ocr_serving.engines import EngineOptions, Tensor, open_engine
from ocr_serving.errors import ConfigError, ModelError
from ocr_serving.stages.detection import NORMALISED, network_input
from ocr_serving.stages.resizing import resized

START, END = "sos", "eos"
PLAIN_CELL = "<td></td>"
CELL_STARTS = ("<td>", "<td", PLAIN_CELL)

TOKENS = (
    *("<thead>", "</thead>", "<tbody>", "</tbody>", "<tr>", "</tr>", "<td>", "<td", ">", "</td>"),
    *(f' colspan="{n}"' for n in range(2, 21)),
    *(f' rowspan="{n}"' for n in range(2, 21)),
)
"""What SLANet for Chinese and SLANet_plus tell apart: PaddleOCR's `table_structure_dict_ch.txt`."""

Cells = NDArray[np.float32]
"""Shape (N, 8): x, y of four corners, clockwise from the top left, in pixels of the picture that was given."""

Whole = Callable[[float], int]
"""How lengths are made whole pixels: `int` as in PaddleOCR 2, `round` as in PaddleX 3."""


class Structure(NamedTuple):
    """Tokens of HTML inside `<table>`, the cells they open in order, and whether the network stopped before the table's end."""

    tokens: list[str]
    cells: Cells
    cut: bool


class TableStructurer:
    """Tells how a table is built."""

    def __init__(self, params: TableParams, model: Path, options: EngineOptions) -> None:
        """Load the network and its tokens. Raises ConfigError, or ModelError where the two do not fit."""
        self.params = params
        self.whole: Whole = int
        self.engine = open_engine(model, _without_openvino(options))
        answers = self.engine.run(np.zeros((1, 3, params.table_max_len, params.table_max_len), np.float32))
        if [answer.ndim for answer in answers] != [3, 3] or answers[0].shape[2] not in (4, 8):
            raise ModelError(
                f"{model} is no SLANet table network: it does not answer cells and structure; correct table_model_dir."
            )
        self.tokens = tokens(params, self.engine.metadata, model)
        classes = answers[1].shape[2]
        if len(self.tokens) != classes:
            raise ModelError(
                f"The network {model} has {classes} classes, but its structure tokens are {len(self.tokens)} with start and end: "
                "take the table_char_dict_path that belongs to it, and check merge_no_span_structure."
            )

    def __call__(self, picture: Image, params: TableParams | None = None) -> Structure:
        """The structure of the one table that `picture` shows. `params` stand in for the stage's own for this call."""
        params = params or self.params
        side = params.table_max_len
        tensor, ratio = table_input(picture, side, params.resizes_tables, self.whole)
        places, scores = self.engine.run(tensor)
        return structure_of(places[0], scores[0], self.tokens, side / ratio)

    @contextmanager
    def scaled(self, whole: Whole) -> Iterator[None]:
        """Inside, `whole` makes whole pixels of the sides that pictures are scaled to."""
        self.whole, before = whole, self.whole
        try:
            yield
        finally:
            self.whole = before


def table_input(picture: Image, side: int, resize: Resize = "linear", whole: Whole = int) -> tuple[NDArray[np.float32], float]:
    """`picture` with its longer side scaled to `side`, zeros right and below: float32 (1, 3, side, side), and the scale."""
    ratio = side / max(picture.shape[:2])
    height, width = (max(1, whole(length * ratio)) for length in picture.shape[:2])
    tensor = np.zeros((1, 3, side, side), np.float32)
    tensor[:, :, :height, :width] = network_input(resized(picture, (height, width), resize), (height, width), NORMALISED["DB"])
    return tensor, ratio


def structure_of(places: Tensor, scores: Tensor, tokens: Sequence[str], pixels: float) -> Structure:
    """The likeliest token of each step up to the end, and for those that open a cell its place.

    `places` are shares of the network's input, (steps, 4 or 8), which is `pixels` of the picture wide and high; `scores`
    are (steps, classes).
    """
    best = scores.argmax(axis=1)
    ends = np.flatnonzero(best[1:] == tokens.index(END)) + 1
    cut = not len(ends)
    steps = [step for step in range(len(best) if cut else ends[0]) if tokens[best[step]] not in (START, END)]
    opening = [step for step in steps if tokens[best[step]] in CELL_STARTS]
    cells = places[opening] * np.float32(pixels)
    if cells.shape[1] == 4:
        cells = cells[:, [0, 1, 2, 1, 2, 3, 0, 3]]
    return Structure([tokens[best[step]] for step in steps], cells, cut)


def tokens(params: TableParams, metadata: Mapping[str, str], model: Path) -> list[str]:
    """Tokens by class: from `table_char_dict_path`, else the model file, else a file beside it, else `TOKENS`.

    Raises ConfigError where `table_char_dict_path` is not there.
    """
    if params.table_char_dict_path is not None:
        path = Path(params.table_char_dict_path).expanduser()
        if not path.is_file():
            raise ConfigError(f"table_char_dict_path: there is no file {path}; correct it, or set it to None for the model's own.")
        listed = models.read_dictionary(path)
    elif "character" in metadata:
        listed = metadata["character"].splitlines()
    else:
        listed = models.dictionary(model) or list(TOKENS)
    if params.merge_no_span_structure:
        listed = [token for token in listed if token not in ("<td>", PLAIN_CELL)] + [PLAIN_CELL]
    return [START, *listed, END]


def _without_openvino(options: EngineOptions) -> EngineOptions:
    """OpenVINO cannot convert SLANet's loop: "auto" runs it on onnxruntime whatever runs the other networks.

    Raises ConfigError where the options name openvino.
    """
    if options.engine == "openvino":
        raise ConfigError("Engine 'openvino' cannot run the table network: set engine to 'auto', which takes onnxruntime for it.")
    return options.model_copy(update={"enable_mkldnn": False}) if options.engine == "auto" else options
