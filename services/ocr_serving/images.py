"""Where copies of modules made for 0.1 find images; they live in `ocr_serving.decoding.images`."""

from ocr_serving.decoding.images import *  # noqa: F403
