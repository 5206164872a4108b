"""Runs inside the parity environment: our pipeline on the paddle engine. Job: JSON as argument; answers: a JSON file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ocr_serving.modules.loader import load_module

job = json.loads(sys.argv[1])
reader = load_module("ocr_system", params=job["params"], init_args={"engine": "paddle", "enable_mkldnn": True, "cpu_threads": 2})
Path(job["answers"]).write_text(json.dumps(reader.predict(paths=job["pages"])), encoding="utf-8")
