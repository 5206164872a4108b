"""Runs inside paddleocr 2.10's environment: a stand-in for `hub serving start -m ocr_system`, which no package carries.

As there: paddleocr's TextSystem without oneDNN in one process, behind Flask's own server without threads, one request at a time,
requests and answers of hubserving's form. Argument: folders of the networks and their parameters, and a port, as JSON.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import cv2
import flask
import numpy as np
import paddleocr  # type: ignore[import-not-found]  # noqa: F401 - lets `tools` below be found
from tools.infer.predict_system import TextSystem  # type: ignore[import-not-found]
from tools.infer.utility import parse_args  # type: ignore[import-not-found]

job = json.loads(sys.argv.pop())
settings = parse_args()
for name, value in job["params"].items():
    setattr(settings, name, value)
settings.use_gpu = settings.enable_mkldnn = False
reader = TextSystem(settings)
app = flask.Flask("hubserving")


@app.post("/predict/ocr_system")
def predict() -> dict[str, Any]:
    """Read the images of one request."""
    pages = [np.frombuffer(base64.b64decode(image), np.uint8) for image in flask.request.json["images"]]
    return {"status": "000", "msg": "", "results": [read(cv2.imdecode(page, cv2.IMREAD_COLOR)) for page in pages]}


@app.get("/")
def index() -> str:
    """Something to wait for."""
    return "ready"


def read(page: Any) -> list[dict[str, Any]]:
    """The lines of one page."""
    boxes, texts, _ = reader(page)
    return [
        {"text": text, "confidence": float(score), "text_region": box.astype(int).tolist()}
        for box, (text, score) in zip(boxes, texts, strict=True)
    ]


app.run(host="127.0.0.1", port=job["port"], threaded=False)
