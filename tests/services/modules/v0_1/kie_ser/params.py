"""Parameters of kie_ser: those of ocr_system, which reads the lines, and its own."""

from ocr_serving.modules.base import Config
from ocr_serving.modules.ocr_system.params import read_params as read_ocr_params


def read_params() -> Config:
    """All parameters, under PaddleOCR's names."""
    cfg = read_ocr_params()
    cfg.kie_algorithm = "LayoutXLM"
    # A name of `ocr-serving models list`, or a folder: the network, and the tokenizer's sentencepiece.bpe.model beside it.
    # kie_demo_ser is a small model for a try; for real forms take your own, fine-tuned one.
    cfg.ser_model_dir = "kie_demo_ser"
    cfg.use_visual_backbone = False  # True for networks that take the page's image as well
    cfg.ser_dict_path = None  # None: QUESTION, ANSWER, HEADER; or a file with one label a line
    cfg.ocr_order_method = "tb-yx"
    return cfg
