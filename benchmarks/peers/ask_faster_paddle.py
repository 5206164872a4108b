"""Runs inside faster-paddle's environment: its engine in one process, answering as benchmarks.library.answering asks.

Arguments: its parameters as JSON, then the image files. The answer to a page's number is the lines that it read there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from faster_paddle import OcrEngine  # type: ignore[import-not-found]

reader = OcrEngine(**json.loads(sys.argv[1]))
pages = [Path(name).read_bytes() for name in sys.argv[2:]]
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    print(json.dumps([bound["text"] for bound in reader.ocr(pages[int(line)])["bounds"].values()]), flush=True)
