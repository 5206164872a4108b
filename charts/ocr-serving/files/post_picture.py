"""Posts a picture to each URL named on the command line and expects status "000". `helm test` runs it; it needs nothing but Python.

Environment: PICTURE (base64), TIMEOUT_S (for all of them together), API_KEY (optional).
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request


def ask(url: str, deadline: float) -> str:
    """What is wrong with the answer of `url`, or "". A service that is not there yet is asked again until `deadline`."""
    # S310: the URLs are those of the release's own services.
    request = urllib.request.Request(url, json.dumps({"images": [os.environ["PICTURE"]]}).encode())  # noqa: S310
    request.add_header("Content-Type", "application/json")
    if key := os.environ.get("API_KEY"):
        request.add_header("Authorization", f"Bearer {key}")
    while True:
        try:
            with urllib.request.urlopen(request, timeout=max(1.0, deadline - time.monotonic())) as response:  # noqa: S310
                answer = json.load(response)
        except urllib.error.HTTPError as exc:
            problem = f"HTTP {exc.code}: {exc.read(300).decode(errors='replace')}"
            if exc.code not in (408, 429, 502, 503, 504):
                return problem
        except (OSError, http.client.HTTPException) as exc:
            problem = str(exc)
        except ValueError:
            return "the answer is not JSON"
        else:
            if answer.get("status") != "000":
                return f"status {answer.get('status')!r}: {answer.get('msg')}"
            print(f"ok    {url}  {json.dumps(answer['results'], ensure_ascii=False)[:200]}", flush=True)
            return ""
        if time.monotonic() > deadline:
            return problem
        time.sleep(1)


def main(urls: list[str]) -> int:
    """Ask all; 1 where one of them has no answer with status "000"."""
    deadline = time.monotonic() + float(os.environ["TIMEOUT_S"])
    failed = 0
    for url in urls:
        if problem := ask(url, deadline):
            failed += 1
            print(f"FAIL  {url}  {problem}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
