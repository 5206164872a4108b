"""Parameters of kie_ser_re: those of kie_ser, which labels the lines, and its own."""

from ocr_serving.modules.base import Config
from ocr_serving.modules.kie_ser.params import read_params as read_ser_params


def read_params() -> Config:
    """All parameters, under PaddleOCR's names."""
    cfg = read_ser_params()
    # A name of `ocr-serving models list`, or a folder; kie_demo_re is a small model for a try.
    cfg.re_model_dir = "kie_demo_re"
    return cfg
