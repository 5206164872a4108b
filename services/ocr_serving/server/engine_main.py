"""Entry point of an engine process: `python -m ocr_serving.server.engine_main FD PARENT`, started by server/engine_pool.py."""

from __future__ import annotations

import logging
import socket
from multiprocessing.connection import Connection

from ocr_serving.engines.batching.messages import EngineFailed, EngineSpec
from ocr_serving.engines.batching.process import EngineProcess
from ocr_serving.server import child, logs

log = logging.getLogger("ocr_serving.engine")


def serve(sock: socket.socket) -> int:
    """Run networks until the owner at the other end of `sock` hangs up. Returns the exit code of the process."""
    owner = Connection(sock.detach())
    log_format = owner.recv()
    logs.configure(log_format)
    spec = owner.recv()
    assert isinstance(spec, EngineSpec)
    try:
        return EngineProcess(spec, owner).run()
    except Exception as exc:
        log.exception("the engine process failed")
        owner.send(EngineFailed(f"The engine process failed: {type(exc).__name__}: {exc}."))
        return 1


if __name__ == "__main__":
    child.run(serve)
