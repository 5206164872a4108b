"""Runs inside the parity environment: paddleocr's own pipeline reads pages. Job: JSON as argument; answers: a JSON file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from paddleocr import PaddleOCR  # type: ignore[import-not-found]

job = json.loads(sys.argv[1])
reader = PaddleOCR(
    det_model_dir=job["det"],
    rec_model_dir=job["rec"],
    cls_model_dir=job["cls"],
    rec_char_dict_path=job["characters"],
    ocr_version="PP-OCRv4",
    use_gpu=False,
    enable_mkldnn=True,
    cpu_threads=2,
    show_log=False,
    **job["params"],
)
answers = []
for page in job["pages"]:
    (lines,) = reader.ocr(page, cls=True)
    answers.append([{"text_region": box, "text": text, "confidence": confidence} for box, (text, confidence) in lines or []])
Path(job["answers"]).write_text(json.dumps(answers), encoding="utf-8")
