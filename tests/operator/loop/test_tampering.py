"""Whatever is changed in, or taken out of, a child is seen, and is as before once the manifest is applied again.

The changes are made of the rendered manifests: every field of every kind, on a real API server, which refuses some and puts back
others by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from kubernetes.aio import client, config

from helpers.api_client import Api, optional_crds
from helpers.control_plane import ControlPlane
from ocr_operator import names
from ocr_operator.api.spec import OCRService, Settings, parse
from ocr_operator.desired.render import render
from ocr_operator.kube import Kube
from ocr_operator.loop.children import Changes, Children
from ocr_operator.metrics import Metrics
from ocr_operator.observed.cache import Cache

JSON = dict[str, Any]
Path = tuple[str | int, ...]
KIND_PATHS = {kind: (api_version, plural) for api_version, kind, plural in names.CHILD_KINDS}
WIDE: JSON = {
    "name": "ocr_system",
    "device": "gpu",
    "workers": 2,
    "params": {"drop_score": 0.25},
    "models": {"pvc": {"claimName": "weights", "path": "store"}},
    "resources": {"requests": {"cpu": "1500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    "nodeSelector": {"pool": "gpu"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 1,
                    "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}},
                }
            ]
        }
    },
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"a": "b"}},
        }
    ],
    "serviceAccountName": "robot",
    "env": [{"name": "A", "value": "1"}, {"name": "EMPTY", "value": ""}],
    "envFrom": [{"configMapRef": {"name": "proxies", "optional": True}}],
    "volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "2048Mi"}}],
    "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
    "shmSize": "1Gi",
    "podAnnotations": {"example.org/a": "b"},
    "podLabels": {"example.org/team": "ocr"},
    "strategy": {"maxUnavailable": "25%", "maxSurge": 1},
    "service": {"annotations": {"example.org/internal": "true"}},
    "autoscaling": {"maxReplicas": 4, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}},
    "podDisruptionBudget": {"maxUnavailable": 1},
    "networkPolicy": {"from": [{"podSelector": {"matchLabels": {"role": "client"}}}]},
    "ingress": {
        "className": "nginx",
        "host": "ocr.example.org",
        "path": "/predict",
        "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "100m"},
        "tls": {"secretName": "ocr-tls"},
    },
    "httpRoute": {
        "parentRefs": [{"name": "public", "namespace": "gateways"}],
        "hostnames": ["ocr.example.org"],
        "tls": {"sectionName": "https"},
    },
    "serviceMonitor": {"interval": "15s", "labels": {"release": "prometheus"}},
}
PODS_WATCHED = {key: value for key, value in WIDE.items() if key != "serviceMonitor"} | {"podMonitor": WIDE["serviceMonitor"]}
CACHED: JSON = {"name": "ocr_system", "models": {"cache": {"names": ["PP-OCRv6_tiny"], "size": "1Gi", "reclaim": "Delete"}}}
OTHERWISE = {"PodMonitor": PODS_WATCHED, "PersistentVolumeClaim": CACHED, "Job": CACHED}
NAMESPACE = "tampering"
SERVICE: JSON = {
    "apiVersion": names.API_VERSION,
    "kind": names.KIND,
    "metadata": {"name": "invoices", "namespace": NAMESPACE},
    "spec": {"modules": [WIDE]},
}
KINDS = [kind for _, kind, _ in names.CHILD_KINDS]


@pytest.fixture(scope="module")
def cluster(api_server: ControlPlane) -> Iterator[Api]:
    """An API server that knows all of these kinds, and has an OCRService that no operator looks at."""
    with contextlib.closing(Api(api_server)) as api:
        api.establish(*optional_crds())
        api_server.kubectl("create", "namespace", NAMESPACE)
        api.apply(SERVICE)
        yield api
        api_server.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
        api_server.kubectl("delete", "crd", *(crd["metadata"]["name"] for crd in optional_crds()))


def fields(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where a field, an item, or a whole block is."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from fields(inner, (*path, key))


def other(value: Any) -> Any:
    """Something else of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return {"TCP": "UDP", "15s": "16s", "": "x"}.get(value, f"{value}x")
    if isinstance(value, list):
        return [*value, *copy.deepcopy(value[:1])]
    return {**value, "tampered": "x"}


def is_free(path: Path, fields: JSON) -> bool:
    """Whether a change at `path` adds something that others may add: a label, a key of a ConfigMap, a container by another name."""
    value: Any = fields
    for key in path:
        value = value[key]
    if path[-1] in ("name", "mountPath", "topologyKey", "whenUnsatisfiable"):
        return True
    return isinstance(value, dict) and path[-1] not in ("selector", "matchLabels", "nodeSelector")


def changed(body: JSON, path: Path, change: Callable[[Any, str | int], None]) -> JSON:
    body = copy.deepcopy(body)
    at: Any = body
    for key in path[:-1]:
        at = at[key]
    change(at, path[-1])
    return body


def take_out(at: Any, key: str | int) -> None:
    del at[key]


def make_other(at: Any, key: str | int) -> None:
    at[key] = other(at[key])


def where(kind: str) -> str:
    api_version, plural = KIND_PATHS[kind]
    name = rendered(kind, parse(SERVICE))["metadata"]["name"]
    return f"/{'apis' if '/' in api_version else 'api'}/{api_version}/namespaces/{NAMESPACE}/{plural}/{name}"


def rendered(kind: str, service: OCRService) -> JSON:
    """What there is of the kind; of some only where others are left out."""
    if kind in OTHERWISE:
        spec = {"modules": [OTHERWISE[kind]]}
        service = replace(parse({**SERVICE, "spec": spec}), uid=service.uid)
    return next(item for item in render(service, Settings()) if item["kind"] == kind)


def state(live: JSON) -> JSON:
    """What the operator answers for."""
    metadata = {key: live["metadata"].get(key) or {} for key in ("labels", "annotations")}
    metadata["annotations"] = {key: value for key, value in metadata["annotations"].items() if "deployment.k" not in key}
    return {**{key: value for key, value in live.items() if key not in ("metadata", "status")}, "metadata": metadata}


class Looker:
    """The operator's look at one kind of child."""

    def __init__(self, plane: ControlPlane, cluster: Api, kind: str) -> None:
        body = cluster.get(f"/apis/{names.API_VERSION}/namespaces/{NAMESPACE}/{names.PLURAL}/invoices")
        self._plane = plane
        self._service = parse(body)
        self._manifest = rendered(kind, self._service)
        self.fields = {key: value for key, value in self._manifest.items() if key not in ("apiVersion", "kind")}

    def look(self, times: int = 1) -> list[str]:
        """What one look after the other, each of an operator that starts anew, has created or updated."""

        async def looks() -> list[str]:
            configuration = client.Configuration()
            await config.load_kube_config(str(self._plane.operator_kubeconfig), client_configuration=configuration)
            async with client.ApiClient(configuration) as api:
                found = []
                for _ in range(times):
                    changes, children = Changes(), Children(Kube(api, Metrics()), Cache())
                    stale = await children.stale([self._manifest], self._service, is_new=False)
                    await children.apply(stale, self._service, changes, is_new=False)
                    found.append(changes.sentence)
                return found

        return asyncio.run(looks())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [take_out, make_other])
def test_every_field_that_is_tampered_with_is_seen_and_put_back(
    api_server: ControlPlane, cluster: Api, kind: str, change: Callable[[Any, str | int], None]
) -> None:
    looker = Looker(api_server, cluster, kind)
    looker.look()
    before = state(cluster.get(where(kind)))
    tried, unseen, kept = 0, [], []
    for path in fields(looker.fields):
        if path[:1] == ("metadata",) and (len(path) < 3 or path[1] not in ("labels", "annotations")):
            continue
        try:
            body = changed(cluster.get(where(kind)), path, change)
        except (KeyError, IndexError):
            continue  # what the API server drops, such as paused: false
        code, answer = cluster.request("PUT", where(kind), body)
        if code != 200 or state(answer) == before:
            continue
        tried += 1
        first, second = looker.look(2)
        if not first and not is_free(path, looker.fields):
            unseen.append(path)
        if second or state(cluster.get(where(kind))) != before:
            if not is_free(path, looker.fields):
                kept.append(path)
            cluster.request("DELETE", where(kind))
            looker.look()
    assert tried > 2
    assert (unseen, kept) == ([], [])


@pytest.mark.parametrize(("key", "value"), [("paused", True), ("minReadySeconds", 300)])
def test_what_keeps_a_rollout_from_going_on_is_put_back(api_server: ControlPlane, cluster: Api, key: str, value: Any) -> None:
    looker = Looker(api_server, cluster, "Deployment")
    looker.look()
    live = cluster.get(where("Deployment"))
    live["spec"][key] = value
    assert cluster.request("PUT", where("Deployment"), live)[0] == 200
    assert looker.look(2) == [f"updated Deployment invoices-ocr-system (spec.{key})", ""]
    assert not cluster.get(where("Deployment"))["spec"].get(key)


SMALL: JSON = {"name": "ocr_system", "device": "cpu"}


@pytest.mark.parametrize("kind", ["ConfigMap", "Deployment", "Service"])
def test_what_is_asked_for_and_taken_back_leaves_nothing(api_server: ControlPlane, cluster: Api, kind: str) -> None:
    """From little to everything and back again, as a new operator, is as if nothing had been."""

    def brought_about(module: JSON) -> JSON:
        cluster.apply({**SERVICE, "spec": {"modules": [module]}})
        Looker(api_server, cluster, kind).look()
        return state(cluster.get(where(kind)))

    cluster.request("DELETE", where(kind))
    first = brought_about(SMALL)
    brought_about(WIDE)
    assert brought_about(SMALL) == first
    cluster.apply(SERVICE)
