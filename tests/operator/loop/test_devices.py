"""`device: auto`: where the pods come to run, and that nodes which come and go move none for nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.control_plane import ControlPlane
from helpers.lab import Clock, Lab
from helpers.ocrservices import service, status, wait_for_condition
from helpers.operator_process import OperatorProcess
from ocr_operator.kube import RefusedError
from ocr_operator.loop.devices import LOOK_S, PATIENCE_S
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Owner, Ref

OWNER = Owner("ns", "invoices")
DEPLOYMENT = Ref("Deployment", "ns", "invoices-ocr-system")
NODE = Ref("Node", "", "gpu-1")
AUTO: dict[str, Any] = {"modules": [{"name": "ocr_system", "device": "auto"}]}


class AutoLab(Lab):
    """One service with `device: auto`, and one node that comes and goes."""

    def __init__(self, spec: dict[str, Any] = AUTO) -> None:
        self.time = Clock()
        super().__init__(OWNER, clock=self.time)
        self.ask(spec)

    def node(self, **resources: str) -> None:
        allocatable = {"cpu": "8", **{key.replace("__", "/").replace("_", "."): value for key, value in resources.items()}}
        metadata = {"name": NODE.name, "labels": {}}
        self.kube.put({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"allocatable": allocatable}})

    def after(self, seconds: float) -> str:
        """What the pods run on once so many seconds have passed, in looks."""
        while seconds > 0:
            self.time.now += min(LOOK_S, seconds)
            seconds -= LOOK_S
            self.settle()
        return self.device

    @property
    def device(self) -> str:
        container = self.kube.objects[DEPLOYMENT]["spec"]["template"]["spec"]["containers"][0]
        on_gpu = bool({"nvidia.com/gpu", "amd.com/gpu"} & container["resources"].get("limits", {}).keys())
        assert container["image"].endswith("-gpu" if on_gpu else "-cpu")
        told = self.told
        assert told["device"] == ("gpu" if on_gpu else "cpu")
        return f"{told['device']}: {told['deviceReason']}"

    @property
    def told(self) -> dict[str, Any]:
        return dict(self.kube.objects[Ref(KIND, *OWNER)]["status"]["modules"][0])


def test_the_nodes_decide_at_first_and_the_status_says_it() -> None:
    lab = AutoLab()
    lab.settle()
    assert lab.device == "cpu: no node offers 1 nvidia.com/gpu"
    lab = AutoLab()
    lab.node(nvidia_com__gpu="2")
    lab.settle()
    assert lab.device == "gpu: a node offers 1 nvidia.com/gpu"


@pytest.mark.parametrize(
    ("gpu", "offered", "device"), [({"count": 2}, "1", "cpu"), ({"count": 0}, "1", "gpu"), ({"count": 1}, "0", "cpu")]
)
def test_a_node_has_to_offer_as_many_as_a_pod_asks_for(gpu: dict[str, Any], offered: str, device: str) -> None:
    lab = AutoLab({"modules": [{"name": "ocr_system", "device": "auto", "gpu": gpu}]})
    lab.node(nvidia_com__gpu=offered)
    lab.settle()
    assert lab.told["device"] == device


def test_it_is_decided_anew_once_the_nodes_have_been_others_for_long() -> None:
    lab = AutoLab()
    lab.settle()
    lab.node(nvidia_com__gpu="1")
    assert lab.after(PATIENCE_S - LOOK_S).startswith("cpu")
    assert lab.after(3 * LOOK_S) == "gpu: a node offers 1 nvidia.com/gpu"


def test_a_node_that_starts_anew_again_and_again_moves_nothing() -> None:
    lab = AutoLab()
    lab.node(nvidia_com__gpu="1")
    lab.settle()
    for _ in range(5):
        del lab.kube.objects[NODE]
        assert lab.after(PATIENCE_S - LOOK_S).startswith("gpu")
        lab.node(nvidia_com__gpu="1")
        assert lab.after(2 * LOOK_S).startswith("gpu")


def test_an_operator_that_is_killed_on_the_way_keeps_what_was_decided() -> None:
    lab = AutoLab()
    lab.settle()
    lab.node(nvidia_com__gpu="1")
    lab.after(PATIENCE_S - LOOK_S)
    lab.time.now += 2 * LOOK_S

    def dies(verb: str, ref: Ref) -> None:
        if ref == DEPLOYMENT and verb == "apply":
            raise RuntimeError("killed")

    lab.kube.fault = dies
    with pytest.raises(RuntimeError, match="killed"):
        lab.settle()
    lab.kube.fault = lambda _verb, _ref: None
    lab.restart()
    lab.settle()
    assert lab.device.startswith("gpu")


def test_another_resource_in_the_spec_is_decided_upon_at_once() -> None:
    lab = AutoLab()
    lab.node(nvidia_com__gpu="1")
    lab.settle()
    lab.ask({"modules": [{"name": "ocr_system", "device": "auto", "gpu": {"resource": "amd.com/gpu"}}]})
    lab.settle()
    assert lab.device == "cpu: no node offers 1 amd.com/gpu"


def test_without_permission_it_stays_as_it_was_and_that_is_said() -> None:
    def refuses(verb: str, ref: Ref) -> None:
        if ref.kind == "Node":
            raise RefusedError("nodes is forbidden")

    lab = AutoLab()
    lab.kube.fault = refuses
    lab.settle()
    assert lab.device == "cpu: the nodes may not be listed"
    conditions = {item["type"]: item for item in lab.kube.objects[Ref(KIND, *OWNER)]["status"]["conditions"]}
    assert conditions["Ready"]["status"] == "True"
    assert conditions["Degraded"]["reason"] == "MissingPermission"
    assert "rbac.listNodes" in conditions["Degraded"]["message"]
    lab.kube.fault = lambda _verb, _ref: None
    lab.node(nvidia_com__gpu="1")
    assert lab.after(LOOK_S).startswith("gpu"), "the first look that succeeds decides at once"
    lab.kube.fault = refuses
    assert lab.after(PATIENCE_S + LOOK_S).startswith("gpu")


def test_nobody_who_does_not_ask_has_the_nodes_listed() -> None:
    lab = Lab(OWNER)
    lab.ask({"modules": [{"name": "ocr_system"}]})
    lab.settle()
    assert not [ref for verb, ref in lab.kube.reads if ref.kind == "Node"]


def test_a_gate_holds_the_other_device_back() -> None:
    lab = AutoLab({"modules": [{**AUTO["modules"][0], "rollout": {"strategy": "Gated", "golden": {"configMap": "g"}}}]})
    lab.settle()
    lab.node(nvidia_com__gpu="1")
    for _ in range(round(PATIENCE_S / LOOK_S) + 2):
        lab.time.now += LOOK_S
        lab.run_pods()
        lab.turn()
    assert lab.told["rollout"]["phase"] == "Measuring"
    container = lab.kube.objects[DEPLOYMENT]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"].endswith("-cpu")


def test_on_a_real_cluster(api_server: ControlPlane, operator: OperatorProcess, namespace: str) -> None:
    module = {"name": "ocr_system", "device": "auto", "replicas": 0, "gpu": {"resource": "example.org/gpu"}}
    api_server.apply(service(namespace, "before", modules=[module]))
    wait_for_condition(api_server, namespace, "Ready", name="before")
    assert status(api_server, namespace, "before")["modules"][0]["device"] == "cpu"
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-1"}}
    api_server.kubectl("create", "-f", "-", stdin=json.dumps(node))
    try:
        offered = {"status": {"capacity": {"example.org/gpu": "1"}, "allocatable": {"example.org/gpu": "1"}}}
        api_server.kubectl("patch", "node", "gpu-1", "--subresource=status", "-p", json.dumps(offered))
        operator.end()
        operator.start()  # which looks at once
        api_server.apply(service(namespace, "after", modules=[module]))
        wait_for_condition(api_server, namespace, "Ready", name="after")
    finally:
        api_server.kubectl("delete", "node", "gpu-1")
    told = {name: status(api_server, namespace, name)["modules"][0] for name in ("before", "after")}
    assert (told["after"]["device"], told["after"]["deviceReason"]) == ("gpu", "a node offers 1 example.org/gpu")
    assert told["before"]["device"] == "cpu", "which it is until the node has been there for a while"
    (container,) = api_server.get("deployment", "after-ocr-system", "-n", namespace)["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"example.org/gpu": "1"}
