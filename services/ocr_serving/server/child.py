"""What worker and engine processes have in common: how one starts, and how it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

from ocr_serving.server import logs

PR_SET_PDEATHSIG = 1


def run(serve: Callable[[socket.socket], int]) -> NoReturn:
    """Be the process that `serve` is, over the socket whose descriptor is the first argument; its result is the exit code.

    The second argument is the process id of the front, without which this process does not live. Signals of the terminal and of
    the supervisor are the front's to handle, which hangs up when done.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    _die_with(int(sys.argv[2]))
    try:
        code = serve(socket.socket(fileno=int(sys.argv[1])))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        code = 0
    logs.flush()
    # Leaving through the interpreter's shutdown would run the engines' destructors, which may hang or crash.
    os._exit(code)


def _die_with(parent: int) -> None:
    """Be killed when the parent is, were it in the middle of a prediction."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        # It died before this was said.
        os._exit(1)
