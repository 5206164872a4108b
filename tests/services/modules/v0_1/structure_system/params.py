"""Parameters of structure_system: those of structure_table (and so of ocr_system), of structure_layout, and its own."""

from ocr_serving.modules.base import Config
from ocr_serving.modules.structure_layout.params import read_params as read_layout_params
from ocr_serving.modules.structure_table.params import read_params as read_table_params


def read_params() -> Config:
    """All parameters, under PaddleOCR's names."""
    cfg = Config(**vars(read_layout_params()) | vars(read_table_params()))
    cfg.layout = True  # False: the whole image is one table
    cfg.table = True  # False: the lines of tables are told as those of other regions
    cfg.ocr = True  # False: regions without text, but for tables
    # "page": cells take the lines of the page, which is read once; "crop": each table is read again by itself, as PaddleOCR does;
    # None: "crop" where rec_width is "legacy"
    cfg.table_text = None
    return cfg
