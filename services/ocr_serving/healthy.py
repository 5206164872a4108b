"""`python -m ocr_serving.healthy`: whether the services that this user runs on this machine, or in this container, are ready.

What a container's HEALTHCHECK runs every few seconds, so nothing but the standard library is imported.
"""

import http.client
import os
import sys
from pathlib import Path

TIMEOUT_S = 5.0


def run_dir() -> Path:
    """Where each running service has a file PORT.pid."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    return Path(base) / "ocr-serving" if base else Path(f"/tmp/ocr-serving-{os.getuid()}")  # noqa: S108


def main() -> int:
    """0 where there is a service and each is ready; 1, and a sentence on stderr, otherwise."""
    ports = sorted(int(file.stem) for file in run_dir().glob("*.pid"))
    if not ports:
        print(f"No service runs here: {run_dir()} names none.", file=sys.stderr)
    found = [(port, problem) for port in ports if (problem := _problem(port))]
    for port, problem in found:
        print(f"The service on port {port} is not ready: {problem}.", file=sys.stderr)
    return 1 if found or not ports else 0


def _problem(port: int) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as exc:
        return str(exc) or type(exc).__name__
    else:
        return None if answer.status == http.HTTPStatus.OK else f"/readyz answers {answer.status}"
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
