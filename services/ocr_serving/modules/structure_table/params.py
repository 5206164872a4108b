"""Parameters of structure_table: those of ocr_system, for the text of the cells, and its own."""

from ocr_serving.modules.base import Config
from ocr_serving.modules.ocr_system.params import read_params as read_ocr_params


def read_params() -> Config:
    """All parameters, under PaddleOCR's names."""
    cfg = read_ocr_params()
    cfg.table_model_dir = "SLANet_plus"  # a name of `ocr-serving models list`, or a folder
    cfg.table_char_dict_path = None  # None: the structure tokens that come with the model
    cfg.table_max_len = 488  # pixels of the longer side that a table is scaled to
    cfg.merge_no_span_structure = True
    # "combined": the network, the rules or the spaces, whichever explains the words best; "network": the network alone, as
    # PaddleOCR does; None: "network" where rec_width is "legacy"
    cfg.table_engine = None
    # "area" keeps hairlines when a table is made smaller for the network, "linear" is PaddleOCR's way; None: "linear" for "network"
    cfg.table_resize = None
    return cfg
