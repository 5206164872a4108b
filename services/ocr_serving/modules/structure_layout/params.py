"""Parameters of structure_layout: edit them here."""

from ocr_serving.modules.base import Config


def read_params() -> Config:
    """All parameters, under PaddleOCR's names."""
    cfg = Config()
    cfg.layout_model_dir = "layout_cdla"  # a name of `ocr-serving models list`, or a folder
    cfg.layout_dict_path = None  # None: the model's own; "cdla", "publaynet", or a file with one label a line
    cfg.layout_score_threshold = 0.5  # regions the network is less sure of are left out
    cfg.layout_nms_threshold = 0.5  # of two regions of one label that overlap more (IoU), the surer stays
    # "area" keeps hairlines when a page is made smaller for the network, "linear" is PaddleOCR's way; None: "area", but in
    # structure_system "linear" where rec_width is "legacy"
    cfg.layout_resize = None
    cfg.use_doc_orientation_classify = None  # pages that lie on their side or on their head are set upright; None: on
    cfg.doc_orientation_classify_model_dir = "text_image_orientation"
    cfg.say_unread = None  # msg says which pages are blank, or without regions
    cfg.use_tensorrt = False
    return cfg
