"""Parameters of ocr_system: edit them here. None means "as the model set has it"."""

from ocr_serving.modules.base import Config


def read_params() -> Config:
    """All parameters, under PaddleOCR's names."""
    cfg = Config()

    # Which weights: `ocr-serving models list` names the sets. A *_model_dir, a name of that list or a folder, beats the set.
    cfg.model_set = "PP-OCRv6_small"

    # Text detection
    cfg.det_algorithm = "DB"
    cfg.det_model_dir = None
    cfg.det_limit_side_len = None  # 960, with PP-OCRv6_small 1152
    cfg.det_limit_type = "max"
    cfg.det_db_thresh = None
    cfg.det_db_box_thresh = None
    cfg.det_db_unclip_ratio = None
    cfg.use_dilation = False
    cfg.det_db_score_mode = "fast"

    # Text recognition
    cfg.rec_algorithm = "SVTR_LCNet"
    cfg.rec_model_dir = None
    cfg.rec_image_shape = "3, 48, 320"
    cfg.rec_width = "tight"  # "legacy" pads as PaddleOCR does: up to a third slower, the same text
    cfg.rec_batch_num = 6  # on CPUs 1 to 16 take the same time within 10 %; GPUs gain from more
    cfg.rec_char_dict_path = None  # None: the dictionary that comes with the model
    cfg.use_space_char = True
    cfg.rec_spaces = None  # spaces the network left out: put in where rec_width is "tight"; True or False says so
    cfg.rec_lexicon = None  # words that settle doubtful letters: "en" where rec_width is "tight"; "off" or a language says so
    cfg.charset = None  # what may be read and nothing else: "de", "latin", "digits", a list of characters; faster, too
    cfg.lang = None  # "korean", "arabic", …: the recogniser of a language; "auto" tries what is here where a page reads badly
    cfg.lang_model_dirs = {}  # your own recognisers by language, as in {"korean": "./my_korean_rec"}
    cfg.suggest_lang = True  # say which lang to try where a page reads badly
    cfg.text_direction = "logical"  # "visual": Arabic and Hebrew as they stand on the page, not as they are read

    # Angle classifier
    cfg.use_angle_cls = None
    cfg.cls_model_dir = None
    cfg.cls_image_shape = "3, 48, 192"
    cfg.label_list = ["0", "180"]
    cfg.cls_batch_num = 30
    cfg.cls_thresh = 0.9

    cfg.drop_score = None  # lines the recogniser is less sure of are left out: 0.5, with PP-OCRv6 0.7
    # Beyond PaddleOCR; None: as PaddleOCR where rec_width is "legacy", else on, and "columns"
    cfg.det_pieces = None  # long and dense pages are looked at in pieces, at the scale their text needs
    cfg.say_unread = None  # msg says which pages are blank, or not read
    cfg.use_doc_orientation_classify = None  # pages that lie on their side or on their head are read upright
    cfg.doc_orientation_classify_model_dir = "text_image_orientation"
    cfg.reading_order = None  # "columns": along columns and the page's slope; "legacy": as PaddleOCR sorts
    cfg.use_tensorrt = False
    return cfg
