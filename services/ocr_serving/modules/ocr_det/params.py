"""Parameters of ocr_det: edit them here. None means "as the model set has it"."""

from ocr_serving.modules.base import Config


def read_params() -> Config:
    """All parameters, under PaddleOCR's names."""
    cfg = Config()

    # Which weights: `ocr-serving models list` names the sets. det_model_dir, a name of that list or a folder, beats the set.
    cfg.model_set = "PP-OCRv6_small"

    cfg.det_algorithm = "DB"
    cfg.det_model_dir = None
    cfg.det_limit_side_len = None  # 960, with PP-OCRv6_small 1152
    cfg.det_limit_type = "max"
    cfg.det_db_thresh = None
    cfg.det_db_box_thresh = None
    cfg.det_db_unclip_ratio = None
    cfg.use_dilation = False
    cfg.det_db_score_mode = "fast"

    # Beyond PaddleOCR; None: on
    cfg.det_pieces = None  # long and dense pages are looked at in pieces, at the scale their text needs
    cfg.say_unread = None  # msg says which pages are blank, or without text
    cfg.reading_order = None  # "columns": along the page's slope; "legacy": as PaddleOCR sorts; None: "columns"
    cfg.use_doc_orientation_classify = None  # pages that lie on their side or on their head are set upright; None: on
    cfg.doc_orientation_classify_model_dir = "text_image_orientation"
    cfg.use_tensorrt = False
    return cfg
