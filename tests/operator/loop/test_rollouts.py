"""A rollout from the first edit to its end, on a cluster in a dictionary: what serves meanwhile, and what is left of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from helpers.fake_kube import FakeKube
from ocr_operator.api.allowed import Allowed
from ocr_operator.api.spec import Settings
from ocr_operator.kube import UnreachableError
from ocr_operator.loop.reconcile import Reconciler
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Cache, Owner, Ref

NS = "ns"
OWNER = Owner(NS, "invoices")
NAME = "invoices-ocr-system"
OLD = Ref("Deployment", NS, NAME)
BESIDE = Ref("Deployment", NS, f"{NAME}-canary")
JOB = Ref("Job", NS, f"{NAME}-golden")
POD = Ref("Pod", NS, "golden-1")
GATED: dict[str, Any] = {"strategy": "Gated", "golden": {"configMap": "golden"}, "maxF1Drop": 0.01}
GOOD, BAD = 0.95, 0.5


def spec(model: str, rollout: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    module = {"name": "ocr_system", "device": "cpu", "params": {"model_set": model}, "replicas": 3, **fields}
    return {"modules": [module | {"rollout": rollout or GATED}]}


class Lab:
    """An operator beside a cluster that starts pods, and has the Jobs say that the new one has word F1 `f1`."""

    def __init__(self, f1: float = GOOD, rollout: dict[str, Any] | None = None) -> None:
        self.kube, self.f1, self.rollout = FakeKube(), f1, rollout
        self.restart()
        self.kube.service(*OWNER, spec("one", rollout))
        self.settle()

    def restart(self) -> None:
        self.cache = Cache()
        self.reconciler = Reconciler(self.kube, self.cache, Settings(tag="1"), allowed=Allowed())

    def turn(self) -> None:
        self.kube.tell(self.cache)
        asyncio.run(self.reconciler.reconcile(OWNER))

    def world(self) -> None:
        """What the cluster's controllers do meanwhile."""
        for ref in [ref for ref in self.kube.objects if ref.kind == "Deployment"]:
            self.kube.run(ref)
        if JOB in self.kube.objects and not self.kube.objects[JOB].get("status"):
            job = self.kube.objects[JOB]
            figures = {"old": {"wordF1": 0.95, "seconds": 1.0}, "new": {"wordF1": self.f1, "seconds": 1.0}}
            words = {"exitCode": 0, "message": json.dumps({"pages": 2, **figures})}
            labels = job["spec"]["template"]["metadata"]["labels"]
            owner = {"kind": "Job", "name": JOB.name, "uid": job["metadata"]["uid"], "controller": True}
            metadata = {"name": POD.name, "namespace": NS, "labels": labels, "ownerReferences": [owner]}
            status = {"containerStatuses": [{"state": {"terminated": words}}]}
            self.kube.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
            self.kube.put({**job, "status": {"conditions": [{"type": "Complete", "status": "True"}]}})
        if JOB not in self.kube.objects:
            self.kube.objects.pop(POD, None)

    def settle(self, turns: int = 12) -> None:
        for _ in range(turns):
            self.turn()
            self.world()

    @property
    def module(self) -> dict[str, Any]:
        return dict(self.kube.objects[Ref(KIND, *OWNER)]["status"]["modules"][0])

    @property
    def phase(self) -> str:
        return str(self.module["rollout"]["phase"])

    def until(self, phase: str) -> None:
        for _ in range(12):
            self.turn()
            if self.phase == phase:
                return
            self.world()
        raise AssertionError(f"no {phase}: {self.module}")

    def condition(self, type_: str) -> dict[str, Any]:
        conditions = self.kube.objects[Ref(KIND, *OWNER)]["status"]["conditions"]
        return next(dict(item) for item in conditions if item["type"] == type_)

    def model(self, name: str = NAME) -> str:
        """The model in the configuration of pods."""
        text = self.kube.objects[Ref("ConfigMap", NS, name)]["data"]["config.json"]
        return str(json.loads(text)["modules_info"]["ocr_system"]["params"]["model_set"])

    def kinds(self, name: str) -> set[str]:
        return {ref.kind for ref in self.kube.objects if ref.name == name}


def test_an_equal_model_is_measured_beside_the_old_one_and_promoted() -> None:
    lab = Lab()
    assert (lab.phase, lab.model()) == ("Accepted", "one")
    lab.kube.service(*OWNER, spec("two"))
    lab.until("Measuring")
    assert (lab.model(), lab.model(f"{NAME}-canary")) == ("one", "two")
    assert lab.kube.objects[OLD]["spec"]["replicas"] == 3
    assert lab.kube.objects[BESIDE]["spec"]["replicas"] == 1
    service = lab.kube.objects[Ref("Service", NS, NAME)]["spec"]["selector"]
    template = lab.kube.objects[BESIDE]["spec"]["template"]
    assert not service.items() <= template["metadata"]["labels"].items()  # no caller is sent there
    lab.turn()
    lab.turn()
    assert lab.condition("Ready")["status"] == "True"
    assert lab.condition("Progressing")["reason"] == "Trying"
    container = lab.kube.objects[JOB]["spec"]["template"]["spec"]["containers"][0]
    assert container["args"][:6] == [
        "compare",
        "--golden",
        "/golden",
        "--old",
        f"http://{NAME}.ns.svc:8868/predict/ocr_system",
        "--new",
    ]
    lab.settle()
    assert (lab.phase, lab.model()) == ("Promoted", "two")
    assert lab.module["rollout"]["new"] == {"wordF1": 0.95, "seconds": 1.0}
    assert lab.kinds(f"{NAME}-canary") == lab.kinds(f"{NAME}-golden") == set()
    assert [event for event in lab.kube.events if event.startswith("RolloutPromoted: ocr_system: promoted: word F1 0.950")]


def test_a_worse_model_is_kept_out_until_the_spec_or_somebody_says_otherwise() -> None:
    lab = Lab(BAD)
    lab.kube.service(*OWNER, spec("two"))
    lab.settle()
    assert (lab.phase, lab.model()) == ("Refused", "one")
    assert lab.kinds(f"{NAME}-canary") == lab.kinds(f"{NAME}-golden") == set()
    degraded = lab.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "RolloutRefused")
    assert degraded["message"] == "the old one is kept: word F1 fell from 0.950 to 0.500, by more than 0.01"
    lab.kube.writes.clear()
    lab.restart()
    lab.settle(3)
    assert lab.kube.writes == []
    lab.kube.service(*OWNER, spec("two"), annotations={"ocr-serving.dev/rollout": "promote"})
    lab.settle()
    assert (lab.phase, lab.model()) == ("Promoted", "two")
    lab.kube.service(*OWNER, spec("three"), annotations={"ocr-serving.dev/rollout": "promote"})
    lab.settle()
    assert (lab.phase, lab.model()) == ("Refused", "two")  # an order counts once
    lab.kube.service(*OWNER, spec("two"))
    lab.settle()
    assert lab.phase == "Accepted"
    assert lab.condition("Degraded")["status"] == "False"


def test_what_reads_alike_comes_into_use_at_once_and_drift_is_put_back_meanwhile() -> None:
    lab = Lab(BAD)
    lab.kube.service(*OWNER, spec("two", replicas=5, podLabels={"team": "a"}))
    lab.settle()
    assert lab.phase == "Refused"
    assert lab.kube.objects[OLD]["spec"]["replicas"] == 5
    assert lab.kube.objects[OLD]["spec"]["template"]["metadata"]["labels"]["team"] == "a"
    lab.kube.edit(Ref("ConfigMap", NS, NAME), lambda body: body["data"].update({"config.json": "{}"}))
    lab.turn()
    assert lab.model() == "one"


def test_a_canary_takes_its_share_beside_all_old_pods() -> None:
    lab = Lab(rollout={"strategy": "Canary", "weight": 50, "canarySeconds": 1})
    lab.kube.service(*OWNER, spec("two", lab.rollout))
    lab.until("Shifting")
    lab.turn()
    service = lab.kube.objects[Ref("Service", NS, NAME)]["spec"]["selector"]
    beside = lab.kube.objects[BESIDE]["spec"]
    assert service.items() <= beside["template"]["metadata"]["labels"].items()
    assert (beside["replicas"], lab.kube.objects[OLD]["spec"]["replicas"]) == (3, 3)
    assert beside["selector"]["matchLabels"].items() <= beside["template"]["metadata"]["labels"].items()


def test_a_golden_set_from_an_image_that_a_node_cannot_mount_is_told_with_what_it_needs() -> None:
    lab = Lab(rollout={"strategy": "Gated", "golden": {"image": "docker.io/ocr-serving/a:1"}})
    lab.kube.service(*OWNER, spec("two", lab.rollout))
    lab.until("Measuring")
    lab.turn()
    job = lab.kube.objects[JOB]
    assert {"name": "ocr-golden-set", "image": {"reference": "docker.io/ocr-serving/a:1"}} in job["spec"]["template"]["spec"][
        "volumes"
    ]
    owner = {"kind": "Job", "name": JOB.name, "uid": job["metadata"]["uid"], "controller": True}
    labels = job["spec"]["template"]["metadata"]["labels"]
    metadata = {"name": POD.name, "namespace": NS, "labels": labels, "ownerReferences": [owner]}
    waiting = {"reason": "CreateContainerError", "message": 'failed to mkdir ""'}
    status = {"containerStatuses": [{"state": {"waiting": waiting}}]}
    lab.kube.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
    lab.turn()
    assert lab.phase == "Measuring"
    assert lab.condition("Progressing")["message"] == (
        'ocr_system: the golden set is not read yet: failed to mkdir "" '
        "(a golden set from an image needs a node that mounts images: containerd 2.1 or CRI-O 1.31)"
    )


def test_a_version_of_the_operator_that_takes_another_image_is_gated_too() -> None:
    lab = Lab(BAD)
    lab.reconciler = Reconciler(lab.kube, lab.cache, Settings(tag="2"), allowed=Allowed())
    lab.settle()
    assert lab.phase == "Refused"
    assert lab.kube.objects[OLD]["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":1-cpu")


@pytest.mark.parametrize("f1", [GOOD, BAD])
@pytest.mark.parametrize("is_done", [False, True])
def test_an_operator_killed_at_any_call_ends_where_it_would_have(f1: float, is_done: bool) -> None:
    """Also: the old pods serve all the while, as they are or as they were promoted, and never one and then the other again."""
    undisturbed = Lab(f1)
    undisturbed.kube.service(*OWNER, spec("two"))
    calls = _counted(undisturbed, undisturbed.settle)
    for number in range(calls):
        lab = Lab(f1)
        lab.kube.service(*OWNER, spec("two"))
        models = _killed_at(lab, number, is_done=is_done)
        assert lab.module["rollout"]["phase"] == undisturbed.module["rollout"]["phase"]
        assert lab.model() == undisturbed.model()
        assert set(lab.kube.objects) == set(undisturbed.kube.objects)
        assert re.fullmatch("(one )+(two )*", "".join(f"{model} " for model in models))


def _counted(lab: Lab, run: Callable[[], None]) -> int:
    count = 0

    def fault(verb: str, _: Ref) -> None:
        nonlocal count
        count += verb in ("apply", "status", "delete")

    lab.kube.fault = fault
    run()
    return count


def _killed_at(lab: Lab, number: int, *, is_done: bool) -> list[str]:
    """The operator is killed before, or after, its write of that number; another one goes on. The models that served."""
    left = number

    def fault(verb: str, _: Ref) -> None:
        nonlocal left
        if verb in ("apply", "status", "delete"):
            left -= 1
            if left < 0 and (not is_done or left < -1):
                lab.kube.fault = lambda _verb, _ref: None
                raise UnreachableError("killed")

    lab.kube.fault = fault
    models = [lab.model()]
    for _ in range(16):
        try:
            lab.turn()
        except UnreachableError:
            lab.restart()
        models.append(lab.model())
        lab.world()
    return models
