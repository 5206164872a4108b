"""The gunicorn worker that speaks HTTP: a greenlet for each connection, so that one that is only held costs next to nothing.

Nothing is patched for gevent's sake: its sockets are used here alone, and the threads that attend to the workers are plain threads.
All of the front's own code runs in one thread and never waits but here: for bytes, for an answer of the pool, for a caller to read.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from enum import Enum
from http import HTTPStatus
from typing import Any

import gevent
import gevent.event
import gevent.socket
from gevent import hub
from gunicorn import http
from gunicorn.http import wsgi
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, LimitRequestLine, NoMoreData, ParseException
from gunicorn.workers import base

from ocr_serving.server import wire
from ocr_serving.server.messages import Reply

log = logging.getLogger("ocr_serving")

HEADER_TIMEOUT_S = 10.0
"""From the first byte of a request to the end of its headers."""
IDLE_TIMEOUT_S = 75.0
"""A connection without a request: new, or kept for the next one."""
LINGER_S = 2.0
"""How long what a caller still sends is read away after our last word, lest a reset takes that word from it."""
STOP_LINGER_S = 2.0
"""How long a service that stops still takes requests on the connections it has: a caller may be sending one already."""
SEND_S, SLOWEST = 30.0, 32 << 10
"""A caller must read its answer in so many seconds, and one more for each so many bytes."""
RESERVED_FILES = 96
"""Descriptors that are not for connections: pipes to workers, logs, libraries, /proc, and some for whoever is refused."""
MOST_CONNECTIONS = 10_000

REFUSALS = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}


class State(Enum):
    """What a connection is at, in the order in which connections are given up for new ones."""

    LINGERING = "said all, and reads away what still comes"
    NEW = "has sent nothing yet"
    HEADERS = "is sending headers"
    KEPT = "may send another request"
    BODY = "is sending a body"
    BUSY = "waits for an answer, or reads it"


class Connection:
    """One connection, and how far it is."""

    def __init__(self, sock: Any, address: Any, table: Table) -> None:
        """`sock` is gevent's, `address` the peer's."""
        self.sock = sock
        self.address = address
        self.dropped = False
        self._table = table
        self.state = State.NEW
        table.by_state[self.state][self] = None

    def become(self, state: State) -> None:
        """Enter a state, unless it has been given up."""
        if self._table.by_state[self.state].pop(self, self) is None:
            self._table.by_state[state][self] = None
            self.state = state

    def forget(self) -> None:
        """It is closed, or as good as."""
        self._table.by_state[self.state].pop(self, None)

    @contextlib.contextmanager
    def receiving(self, seconds: float) -> Iterator[None]:
        """A body may arrive inside for so long. Raises TimeoutError."""
        self.become(State.BODY)
        try:
            with gevent.Timeout(seconds, TimeoutError("the body is late")):
                yield
        finally:
            self.become(State.BUSY)

    def drop(self) -> None:
        """Stop receiving; what reads the body finds its end. An answer can still go out."""
        self.dropped = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RD)

    def go_on(self) -> None:
        """Tell a caller who asked first that its body is wanted (RFC 9110, 10.1.1)."""
        self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def is_open(self) -> bool:
        """Whether the other end still listens. From any thread."""
        try:
            poll = select.poll()
            poll.register(self.sock.fileno(), select.POLLRDHUP)
            return not poll.poll(0)
        except (OSError, ValueError):
            return False


class Table:
    """All connections by what they are at, each state's in the order in which they came to it."""

    def __init__(self, limit: int) -> None:
        """At most `limit`."""
        self.limit = limit
        self.by_state: dict[State, dict[Connection, None]] = {state: {} for state in State}

    def __len__(self) -> int:
        return sum(map(len, self.by_state.values()))

    def victim(self) -> Connection | None:
        """Whom to give up for a new one: who has been longest at what is least work to do again; None where all are busy."""
        for state in State:
            if state is not State.BUSY and self.by_state[state]:
                return next(iter(self.by_state[state]))
        return None


class Mailbox:
    """Has greenlets wait for what other threads do."""

    def __init__(self) -> None:
        """In the hub's thread."""
        self._done: deque[gevent.event.Event] = deque()
        self._watcher = hub.get_hub().loop.async_()
        self._watcher.start(self._deliver)

    def wait(self, future: Future[Any]) -> None:
        """Until it is done; other greenlets go on meanwhile."""
        event = gevent.event.Event()

        def note(_: object) -> None:
            self._done.append(event)
            self._watcher.send()

        future.add_done_callback(note)
        event.wait()

    def _deliver(self) -> None:
        while self._done:
            self._done.popleft().set()


def connection_limit() -> int:
    """Connections that the limit of open files has room for, once it is raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + RESERVED_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    files = wanted if soft == resource.RLIM_INFINITY else soft
    return max(16, min(MOST_CONNECTIONS, files - RESERVED_FILES))


class FrontWorker(base.Worker):  # type: ignore[misc]
    """Takes connections, gives up those that only hold on to them where there are too many, words all errors as ours."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = Table(connection_limit())
        self._at_once = False

    def init_process(self) -> None:
        """In the new process, whose hub is not that of its parent."""
        hub.reinit()
        super().init_process()

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002
        """SIGTERM: finish what was taken."""
        self.alive = False

    def handle_quit(self, sig: int, frame: Any) -> None:  # noqa: ARG002
        """SIGINT and SIGQUIT: end at once. A Ctrl-C comes from the terminal, and again from the master."""
        self.alive = False
        self._at_once = True

    def run(self) -> None:
        """Until the process is told to stop, and then until what was taken is answered."""
        self.app.front.wait = Mailbox().wait
        listeners = []
        for listener in self.sockets:
            sock = gevent.socket.socket(listener.FAMILY, socket.SOCK_STREAM, fileno=listener.sock.detach())
            listeners.append((sock, gevent.spawn(self._accept, sock)))
        while self.alive and self.ppid == os.getppid():
            self.notify()
            gevent.sleep(0.2)
        self.alive = False
        for sock, acceptor in listeners:
            acceptor.kill()
            self._accept_rest(sock)
            sock.close()
        self._finish()

    def _finish(self) -> None:
        now = time.monotonic()
        lingering, until = now + STOP_LINGER_S, now + self.cfg.graceful_timeout
        while len(self.table) and not self._at_once and time.monotonic() < until:
            self.notify()
            if time.monotonic() > lingering:
                for state in (State.NEW, State.KEPT, State.LINGERING):
                    for connection in list(self.table.by_state[state]):
                        _hang_up(connection)
            gevent.sleep(0.05)

    def _accept(self, listener: Any) -> None:
        server = listener.getsockname()
        while True:
            try:
                sock, address = listener.accept()
                self._welcome(sock, address, server)
            except OSError as exc:
                if exc.errno not in (errno.ECONNABORTED, errno.EAGAIN):
                    # No descriptor or no memory left for it, for now.
                    self._make_room()
                    gevent.sleep(0.05)
            except Exception:
                # Without this greenlet nobody would be let in any more.
                log.exception("a connection could not be taken")
                gevent.sleep(0.05)
            gevent.sleep(0)

    def _accept_rest(self, listener: Any) -> None:
        """Those whose connection stood before the stop."""
        server = listener.getsockname()
        listener.settimeout(0.0)
        with contextlib.suppress(OSError):
            while True:
                sock, address = listener.accept()
                self._welcome(sock, address, server)

    def _welcome(self, sock: Any, address: Any, server: Any) -> None:
        if len(self.table) >= self.table.limit and not self._make_room():
            with contextlib.suppress(OSError):
                sock.settimeout(0.0)
                sock.send(_as_http(wire.failed("There are too many connections: try again later.", 503), retry=True))
            sock.close()
            return
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        gevent.spawn(self._serve, Connection(sock, address, self.table), server)

    def _make_room(self) -> bool:
        connection = self.table.victim()
        if connection is None:
            return False
        _hang_up(connection)
        connection.forget()
        return True

    def _serve(self, connection: Connection, server: Any) -> None:
        """One connection, from its beginning to its end."""
        sock = connection.sock
        try:
            parser = http.get_parser(self.cfg, sock, connection.address)
            while self._request(parser, connection, server):
                connection.become(State.KEPT)
            connection.become(State.LINGERING)
            _linger(sock)
        except (OSError, gevent.GreenletExit):
            pass
        except Exception:
            log.exception("a connection failed")
        finally:
            connection.forget()
            sock.close()

    def _request(self, parser: Any, connection: Connection, server: Any) -> bool:
        """Read one request and answer it; whether the connection may send another."""
        sock = connection.sock
        if not parser.unreader.buf.getvalue():
            with gevent.Timeout(IDLE_TIMEOUT_S, False):
                first = sock.recv(8192)
                if not first:
                    return False
                parser.unreader.unread(first)
            if not parser.unreader.buf.getvalue():
                return False
        connection.become(State.HEADERS)
        try:
            with gevent.Timeout(HEADER_TIMEOUT_S, TimeoutError()):
                request = next(parser)
        except (NoMoreData, StopIteration):
            return False
        except TimeoutError:
            self._say(sock, wire.failed(f"The headers did not arrive within {HEADER_TIMEOUT_S:g} s.", 408))
            return False
        except ParseException as exc:
            code = next((code for kind, code in REFUSALS.items() if isinstance(exc, kind)), HTTPStatus.BAD_REQUEST)
            log.info("refused", extra={"code": code.value, "reason": str(exc)[:300]})
            self._say(sock, wire.failed(f"Not a request that can be read: {exc}.", code))
            return False
        connection.become(State.BUSY)
        return self._answer(request, connection, server)

    def _answer(self, request: Any, connection: Connection, server: Any) -> bool:
        # Told by the application, once it wants the body.
        expects, request._expected_100_continue = request._expected_100_continue, False
        response, environ = wsgi.create(request, connection.sock, connection.address, server, self.cfg)
        environ |= {"wsgi.multithread": False, "ocr_serving.connection": connection, "ocr_serving.expects": expects}
        with contextlib.closing(self.wsgi(environ, response.start_response)) as answer:
            chunks = list(answer)
        if not self.alive or not _is_read(request):
            response.force_close()
        with gevent.Timeout(SEND_S + sum(map(len, chunks)) / SLOWEST, TimeoutError()):
            for chunk in chunks:
                response.write(chunk)
            response.close()
        return not response.should_close()

    def _say(self, sock: Any, reply: Reply) -> None:
        """An answer to what is not HTTP, or not the HTTP that gunicorn reads."""
        with contextlib.suppress(OSError), gevent.Timeout(SEND_S, TimeoutError()):
            sock.sendall(_as_http(reply))


def _is_read(request: Any) -> bool:
    """Whether nothing of the request's body is left in the connection, where it would be taken for the next request."""
    reader = request.body.reader
    return reader.parser is None if isinstance(reader, ChunkedReader) else reader.length == 0


def _as_http(reply: Reply, *, retry: bool = False) -> bytes:
    status = HTTPStatus(reply.code)
    again = "Retry-After: 1\r\n" if retry else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n{again}"
        f"Content-Type: application/json\r\nContent-Length: {len(reply.body)}\r\n\r\n"
    )
    return head.encode() + reply.body


def _hang_up(connection: Connection) -> None:
    """Whatever its greenlet waits for ends at once."""
    with contextlib.suppress(OSError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _linger(sock: Any) -> None:
    """Say that nothing more comes, and read away what the caller sends meanwhile (RFC 9112, 9.6)."""
    sock.shutdown(socket.SHUT_WR)
    with gevent.Timeout(LINGER_S, False):
        while sock.recv(1 << 16):
            pass
