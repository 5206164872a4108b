"""The calls to the API server that everything else relies on, on a real one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from kubernetes.aio import client, config

from helpers.control_plane import ControlPlane
from ocr_operator.kube import ExistsError, Kube, proxy_for
from ocr_operator.metrics import Metrics


def _with_kube(plane: ControlPlane, scenario: Callable[[Kube], Awaitable[None]]) -> None:
    async def connected() -> None:
        configuration = client.Configuration()
        await config.load_kube_config(str(plane.operator_kubeconfig), client_configuration=configuration)
        async with client.ApiClient(configuration) as api:
            await scenario(Kube(api, Metrics()))

    asyncio.run(connected())


def _config_map(namespace: str, value: str) -> dict[str, Any]:
    metadata = {"name": "taken", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}}


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_applied_as_new_takes_nothing_over(api_server: ControlPlane, namespace: str, dry_run: bool) -> None:
    api_server.kubectl("create", "configmap", "taken", "--from-literal=key=theirs", "-n", namespace)

    async def scenario(kube: Kube) -> None:
        with pytest.raises(ExistsError):
            await kube.apply(_config_map(namespace, "ours"), is_new=True, dry_run=dry_run)

    _with_kube(api_server, scenario)
    assert api_server.get("configmap", "taken", "-n", namespace)["data"] == {"key": "theirs"}


def test_what_is_applied_as_new_is_applied_like_all_else(api_server: ControlPlane, namespace: str) -> None:
    """A field that was applied as new and is applied no more goes away, which it would not if it had been created otherwise."""

    async def scenario(kube: Kube) -> None:
        manifest = _config_map(namespace, "ours")
        await kube.apply(manifest, is_new=True, dry_run=True)
        assert await kube.get("ConfigMap", namespace, "taken") is None
        await kube.apply(manifest, is_new=True)
        applied = await kube.apply({**manifest, "data": {"other": "ours"}})
        assert applied["data"] == {"other": "ours"}

    _with_kube(api_server, scenario)


def test_the_proxy_is_the_one_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "10.0.0.1,.svc")
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert proxy_for("https://cluster.example:6443") == "http://proxy:3128"
    assert proxy_for("https://10.0.0.1:443") is None
    assert proxy_for("https://kubernetes.default.svc") is None
