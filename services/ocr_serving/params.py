"""Where copies of modules made for 0.1 find the parameters; they live in `ocr_serving.config.params`."""

from ocr_serving.config.old_params import attributes  # noqa: F401
from ocr_serving.config.params import *  # noqa: F403
