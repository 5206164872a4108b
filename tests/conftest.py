"""Services that several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import needs
from helpers.clients import node_packages, python_clients
from helpers.jobs import jobs
from helpers.operator_fixtures import api_server, namespace, operator
from helpers.postgres import postgres
from helpers.services import ECHO, Service, serve
from helpers.site import site

__all__ = ["api_server", "jobs", "namespace", "node_packages", "operator", "postgres", "python_clients", "site"]

ON_AN_API_SERVER = {"api_server", "helm", "cluster"}
"""Fixtures that need what Go builds."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Who runs what where several processes do, as in `make test`."""
    from helpers.sharing import ByUnit  # only then is xdist needed

    return ByUnit(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, with a sentence, what this machine lacks something for; in CI it fails instead."""
    if hasattr(config, "workerinput"):
        from helpers.sharing import put_first

        put_first(items)
    reasons = {need.marker: need.reason for need in needs.NEEDS}
    for item in items:
        if ON_AN_API_SERVER & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.api_server)
        for marker, reason in reasons.items():
            if reason and not needs.is_ci() and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason))


@pytest.fixture(scope="session")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of the echo module, two workers."""
    with serve(tmp_path_factory.mktemp("echo"), {str(ECHO): {}}) as service:
        yield service


@pytest.fixture(scope="session")
def ocr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """All four OCR modules with the default weights in one service, two workers."""
    names = ("ocr_system", "ocr_det", "ocr_cls", "ocr_rec")
    with serve(tmp_path_factory.mktemp("ocr"), {name: {} for name in names}) as service:
        yield service


@pytest.fixture(scope="session")
def structure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The three structure modules with small weights in one service, one worker; it fetches URLs of 127.0.0.1."""
    names = ("structure_layout", "structure_table", "structure_system")
    modules = {name: {"params": {"model_set": "PP-OCRv6_tiny"}} for name in names}
    fetching: dict[str, Any] = {"fetch_hosts": ["127.0.0.1"], "fetch_networks": ["127.0.0.1/32"]}
    with serve(
        tmp_path_factory.mktemp("structure"), modules, use_multiprocess=False, workers=1, max_pdf_pages=2, pdf_dpi=150, **fetching
    ) as service:
        yield service


@pytest.fixture(scope="session")
def ocr_system_url(ocr: Service) -> str:
    """Where ocr_system answers with the default weights."""
    return f"{ocr.url}/predict/ocr_system"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of models of one's own, empty."""
    folder = tmp_path / "store"
    monkeypatch.setenv("OCR_SERVING_MODELS", str(folder))
    return folder
