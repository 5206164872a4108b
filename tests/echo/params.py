"""Parameters of the echo module."""

from ocr_serving.modules.base import Config


def read_params() -> Config:
    """Sizes are multiplied by `scale`."""
    return Config(scale=1)
