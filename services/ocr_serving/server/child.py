"""What worker and engine processes have in common: how one starts, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NoReturn


def run(serve: Callable[[Connection], int]) -> NoReturn:
    """Be the process that `serve` is, over the connection whose descriptor is the first argument; its result is the exit code.

    Signals of the terminal and of the supervisor are the front's to handle, which hangs up when done.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        code = serve(Connection(int(sys.argv[1])))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        code = 0
    sys.stderr.flush()
    # Leaving through the interpreter's shutdown would run the engines' destructors, which may hang or crash.
    os._exit(code)
