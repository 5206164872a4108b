"""Entry point of an engine process: `python -m ocr_serving.server.engine_process FD`, started by server/engines.py."""

from __future__ import annotations

import logging
import os
import signal
import sys
from multiprocessing.connection import Connection

from ocr_serving.engines.messages import EngineFailed, EngineSpec
from ocr_serving.engines.process import EngineProcess
from ocr_serving.server import logs

log = logging.getLogger("ocr_serving.engine")


def main() -> None:
    """Serve until the owner, at the other end of FD, hangs up; signals are its to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    owner = Connection(int(sys.argv[1]))
    try:
        log_format = owner.recv()
        logs.configure(log_format)
        spec = owner.recv()
        assert isinstance(spec, EngineSpec)
        try:
            code = EngineProcess(spec, owner).run()
        except Exception as exc:
            log.exception("the engine process failed")
            owner.send(EngineFailed(f"The engine process failed: {type(exc).__name__}: {exc}."))
            code = 1
    except (EOFError, BrokenPipeError, ConnectionResetError):
        code = 0
    sys.stderr.flush()
    # Leaving through the interpreter's shutdown would run the engines' destructors, which may hang or crash.
    os._exit(code)


if __name__ == "__main__":
    main()
