"""Fixtures: a real API server, and the operator as a process beside it."""

import json
from collections.abc import Iterator

import pytest

from helpers.control_plane import ControlPlane, control_plane
from helpers.operator_process import OperatorProcess
from ocr_operator.api.crd import crd


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, kube-apiserver and the controllers that need no node, with the CRD; see control_plane.py."""
    with control_plane(tmp_path_factory.mktemp("control-plane")) as plane:
        plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(crd()))
        plane.wait_for_crds("ocrservices.ocr-serving.dev")
        yield plane


@pytest.fixture(scope="module")
def operator(api_server: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """An operator that watches all namespaces and has settled; a test that ends it starts it again."""
    process = OperatorProcess(api_server, tmp_path_factory.mktemp("operator") / "log", "--all-namespaces")
    process.start()
    process.wait_until_settled()
    yield process
    if process.is_running:
        process.end()


@pytest.fixture
def namespace(api_server: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, removed after it without waiting."""
    name = f"t-{abs(hash(request.node.nodeid)) % 10**10}"
    api_server.kubectl("create", "namespace", name)
    yield name
    api_server.kubectl("delete", "namespace", name, "--wait=false")
