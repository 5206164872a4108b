"""Parameters of ocr_rec: edit them here. None means "as the model set has it"."""

from ocr_serving.modules.base import Config


def read_params() -> Config:
    """All parameters, under PaddleOCR's names."""
    cfg = Config()

    # Which weights: `ocr-serving models list` names the sets. rec_model_dir, a name of that list or a folder, beats the set.
    cfg.model_set = "PP-OCRv6_small"

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
    cfg.say_unread = None  # msg says which images are blank, or not read; None: not where rec_width is "legacy"
    cfg.text_direction = "logical"  # "visual": Arabic and Hebrew as they stand on the page, not as they are read

    cfg.use_tensorrt = False
    return cfg
