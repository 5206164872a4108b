"""Runs inside rapidocr's environment: RapidOCR in one process, answering as benchmarks.library.answering asks.

Arguments: its parameters as JSON, then the image files. The answer to a page's number is how many lines it read there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rapidocr import RapidOCR  # type: ignore[import-not-found]

reader = RapidOCR(params=json.loads(sys.argv[1]))
pages = [Path(name).read_bytes() for name in sys.argv[2:]]
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    print(len(reader(pages[int(line)]).txts or ()), flush=True)
