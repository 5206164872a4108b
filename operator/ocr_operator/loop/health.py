"""Whether the operator still does its work, over HTTP: /healthz, /readyz and /metrics."""

import time
from collections.abc import Callable

from aiohttp import web

from ocr_operator.metrics import Metrics

STUCK_S = 120.0


class ListenError(Exception):
    """The HTTP server's port cannot be had; the text is one sentence."""


class Health:
    """What the rest of the operator reports about itself.

    `queue_age` gives the seconds that the oldest item is overdue, or worked on; `progressed_at` when, by `clock`, something was got
    done last: a turn, or an answer of the API server.
    """

    def __init__(
        self,
        queue_age: Callable[[], float] = lambda: 0.0,
        progressed_at: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.queue_age = queue_age
        self.progressed_at = progressed_at
        self._clock = clock
        self.stuck_watch: str | None = None
        self.is_leader = False
        self.is_listed = False

    def complaint(self) -> str | None:
        """Why the operator should be restarted, or None."""
        if self.stuck_watch:
            return f"the watch of {self.stuck_watch} tells nothing of changes that a list shows"
        age, idle = self.queue_age(), self._clock() - self.progressed_at()
        # A slow API server makes a long queue, which a restart would only make longer: what counts is that it goes on.
        if age > STUCK_S and idle > STUCK_S:
            return f"the queue is stuck: an OCRService is overdue by {age:.0f} s, and nothing was done for {idle:.0f} s"
        return None

    def is_ready(self) -> bool:
        """Whether the operator has read the cluster once, or waits for another replica to give up the lease."""
        return self.is_listed or not self.is_leader


async def serve(port: int, health: Health, metrics: Metrics, refresh: Callable[[], None]) -> web.AppRunner:
    """Starts the HTTP server; `refresh` brings the gauges up to date. Raises ListenError."""

    async def healthz(_: web.Request) -> web.Response:
        complaint = health.complaint()
        return web.Response(text=complaint or "ok", status=503 if complaint else 200)

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok") if health.is_ready() else web.Response(text="the first listing is not over", status=503)

    async def metrics_text(_: web.Request) -> web.Response:
        refresh()
        return web.Response(body=metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics_text)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 - the kubelet asks from outside of the pod
    except OSError as error:
        await runner.cleanup()
        raise ListenError(f"cannot listen on port {port}: {error.strerror or error}") from None
    return runner
