"""Parameters of ocr_cls: edit them here. None means "as the model set has it"."""

from ocr_serving.modules.base import Config


def read_params() -> Config:
    """All parameters, under PaddleOCR's names."""
    cfg = Config()

    # Which weights: `ocr-serving models list` names the sets. cls_model_dir, a name of that list or a folder, beats the set.
    cfg.model_set = "PP-OCRv6_small"

    cfg.cls_model_dir = None
    cfg.cls_image_shape = "3, 48, 192"
    cfg.label_list = ["0", "180"]
    cfg.cls_batch_num = 30
    cfg.cls_thresh = 0.9

    cfg.use_tensorrt = False
    return cfg
