"""What `params.py` files written for PaddleOCR may hold beside the parameters that this server has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocr_serving.errors import ConfigError

WITHOUT_MEANING: Mapping[str, object] = {
    "use_pdserving": False,
    "use_zero_copy_run": False,
    "warmup": False,
    "use_onnx": False,
    "show_log": False,
    "mode": "structure",
    "recovery": False,
    "image_orientation": False,
    "table_algorithm": "TableAttn",
    "vis_font_path": "./doc/fonts/simfang.ttf",
    "det_box_type": "quad",
    "det_east_score_thresh": 0.8,
    "det_east_cover_thresh": 0.1,
    "det_east_nms_thresh": 0.2,
    "det_sast_score_thresh": 0.5,
    "det_sast_nms_thresh": 0.2,
    "det_sast_polygon": False,
}
"""Keys of old params.py files that this server has no use for, with the only value that may stand there."""


def attributes(config: object) -> dict[str, Any]:
    """`config` as a dict: old files return a bare class with attributes, on itself or on an instance."""
    if isinstance(config, Mapping):
        return dict(config)
    names = (name for name in dir(config) if not name.startswith("_"))
    values = {name: getattr(config, name) for name in names}
    return {name: value for name, value in values.items() if not callable(value)}


def meaningful(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`values` without what is not set and without old keys; an old key that asks for something is refused."""
    for name, harmless in WITHOUT_MEANING.items():
        if values.get(name) not in (None, harmless):
            raise ConfigError(f"{where}: '{name}' = {values[name]!r} is not supported here: remove it or set it to {harmless!r}.")
    return {name: value for name, value in values.items() if value is not None and name not in WITHOUT_MEANING}
