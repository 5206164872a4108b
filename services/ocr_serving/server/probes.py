"""What tells of the service itself: whether it lives and is ready, its figures, its modules, its description."""

from __future__ import annotations

from typing import Any

import flask
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ocr_serving import __version__
from ocr_serving.config import ServiceConfig
from ocr_serving.server.front import Front
from ocr_serving.server.openapi import Described
from ocr_serving.server.routes import Modules, Routes

ANSWERS = {
    "/healthz": {"200": "The service is alive."},
    "/readyz": {"200": "Every worker's models have answered a warm-up.", "503": "Still loading."},
    "/metrics": {"200": "Prometheus metrics."},
    "/modules": {"200": "The modules served here."},
}


def add(app: flask.Flask, service: Front) -> None:
    """Register them."""

    @app.get("/healthz")
    def healthz() -> flask.Response:
        return flask.jsonify(status="alive", version=__version__)

    @app.get("/readyz")
    def readyz() -> tuple[flask.Response, int]:
        state = service.pool.state() if service.pool else None
        about = {"workers": state.workers, "workers_ready": state.ready} if state else {}
        if service.engines is not None:
            about |= {"engines": len(service.engines.pids), "engines_ready": service.engines.ready}
        return flask.jsonify(status="ready" if service.ready else "loading", **about), 200 if service.ready else 503

    @app.get("/metrics")
    def metrics() -> flask.Response:
        return flask.Response(generate_latest(service.metrics.registry), content_type=CONTENT_TYPE_LATEST)

    @app.get("/modules")
    def modules() -> flask.Response:
        about = [
            {"name": name, "version": text["version"], "summary": text["summary"], "url": f"/predict/{name}"}
            for name, text in service.modules.items()
        ]
        return flask.jsonify(modules=about)


def describe(_modules: Modules, _config: ServiceConfig) -> Described:
    """What OpenAPI says of them."""
    paths: dict[str, Any] = {
        path: {
            "get": {
                "operationId": path.strip("/"),
                "summary": answers["200"],
                "tags": ["The service"],
                "security": [],
                "responses": {code: {"description": text} for code, text in answers.items()},
            }
        }
        for path, answers in ANSWERS.items()
    }
    return Described(paths)


ROUTES = Routes(add=add, describe=describe, probes=("/healthz", "/readyz"))
