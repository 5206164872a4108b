"""Runs inside the parity environment: paddleocr's PPStructure on pages and tables. Job: JSON as argument; answers: a JSON file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
from paddleocr import PPStructure  # type: ignore[import-not-found]

job = json.loads(sys.argv[1])
# All from ONNX files: the layout network is in no package in Paddle's format.
system = PPStructure(use_onnx=True, use_gpu=False, show_log=False, lang="ch", **job["params"])


def plain(regions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Regions without their pictures."""
    return [{name: value for name, value in region.items() if name != "img"} for region in regions]


answers: dict[str, list[Any]] = {"layout": [], "pages": [], "tables": []}
for page in job["pages"]:
    picture = cv2.imread(page)
    regions, _ = system.layout_predictor(picture)
    answers["layout"].append([{**region, "bbox": region["bbox"].tolist()} for region in regions])
    answers["pages"].append(plain(system(picture)))
for table in job["tables"]:
    answers["tables"].append(system.table_system(cv2.imread(table))[0])
Path(job["answers"]).write_text(json.dumps(answers), encoding="utf-8")
