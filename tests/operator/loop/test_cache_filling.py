"""A cache of models from the first apply to its end: what waits until it is whole, what is filled anew, what is left of it."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.lab import Lab
from ocr_operator.api.spec import Settings
from ocr_operator.loop.reconcile import Reconciler
from ocr_operator.observed.cache import Cache, Owner, Ref

JSON = dict[str, Any]
OWNER = Owner("ns", "a")
CLAIM = Ref("PersistentVolumeClaim", "ns", "a--models")
DEPLOYMENT = Ref("Deployment", "ns", "a-ocr-system")


def spec(model: str = "PP-OCRv6_tiny", cache: JSON | None = None, **fields: Any) -> JSON:
    module = {"name": "ocr_system", "device": "cpu", "params": {"model_set": model}, **fields}
    return {"modules": [module], "defaults": {"models": {"cache": cache or {}}}}


def job(lab: Lab) -> Ref:
    (ref,) = (ref for ref in lab.kube.objects if ref.kind == "Job")
    return ref


def complete(lab: Lab, at: str = "2026-01-01T00:01:00Z") -> None:
    """What the Job's controller says once its pod has ended."""
    ref = job(lab)
    status = {"conditions": [{"type": "Complete", "status": "True"}], "completionTime": at}
    lab.kube.put({**lab.kube.objects[ref], "status": status})


def pod(lab: Lab, name: str, labels: JSON, key: str, container: str, state: JSON, **more: Any) -> None:
    told = {key: [{"name": container, "state": state, **more}]}
    metadata = {"name": name, "namespace": "ns", "labels": labels}
    lab.kube.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": told})


SAID = "ocr-serving: 1 of 2 models are not whole: PP-OCRv6_tiny_det: inference.onnx has the wrong SHA-256."


def damaged(lab: Lab, at: str) -> None:
    """A pod of the module finds the weights damaged and waits to look again."""
    labels = lab.kube.objects[DEPLOYMENT]["spec"]["template"]["metadata"]["labels"]
    ended = {"terminated": {"exitCode": 1, "finishedAt": at, "message": f"{SAID}\nb: whole\n"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    pod(lab, "p", labels, "initContainerStatuses", "models", waiting, lastState=ended)


@pytest.fixture
def lab() -> Lab:
    """A service whose cache was filled, and which serves."""
    lab = Lab(OWNER, spec())
    lab.settle()
    complete(lab)
    lab.settle()
    return lab


def model(lab: Lab) -> str:
    return str(lab.kube.objects[Ref("ConfigMap", "ns", "a-ocr-system")]["data"]["config.json"])


def test_no_pod_is_asked_for_before_the_cache_is_whole() -> None:
    lab = Lab(OWNER, spec())
    lab.settle()
    assert {ref.kind for ref in lab.children} == {"PersistentVolumeClaim", "Job", "NetworkPolicy"}
    assert lab.condition("Ready")["status"] == "False"
    assert lab.condition("Progressing")["reason"] == "FillingCache"
    assert f"the Job {job(lab).name} fills the cache" in lab.condition("Progressing")["message"]
    complete(lab)
    lab.settle()
    assert DEPLOYMENT in lab.children
    assert (lab.condition("Ready")["status"], lab.condition("Progressing")["status"]) == ("True", "False")


def test_a_change_of_the_list_is_filled_while_the_old_pods_serve(lab: Lab) -> None:
    first = job(lab)
    lab.ask(spec("PP-OCRv6_medium"))
    lab.settle()
    assert job(lab) != first
    assert "PP-OCRv6_tiny" in model(lab)
    assert (lab.condition("Ready")["status"], lab.condition("Progressing")["reason"]) == ("True", "FillingCache")
    lab.restart()  # another process knows no more than it sees
    lab.settle()
    assert "PP-OCRv6_tiny" in model(lab)
    complete(lab)
    lab.settle()
    assert "PP-OCRv6_medium" in model(lab)


def test_what_pods_serve_by_is_put_back_while_the_cache_is_filled(lab: Lab) -> None:
    lab.ask(spec("PP-OCRv6_medium"))
    lab.settle()
    lab.kube.edit(Ref("Service", "ns", "a-ocr-system"), lambda body: body["spec"].update(type="NodePort"))
    lab.settle()
    assert lab.spec(Ref("Service", "ns", "a-ocr-system"))["type"] == "ClusterIP"
    assert "PP-OCRv6_tiny" in model(lab)


def test_a_damaged_cache_is_filled_anew_once(lab: Lab) -> None:
    uid = lab.kube.objects[job(lab)]["metadata"]["uid"]
    damaged(lab, "2026-01-01T00:00:59Z")  # before the Job was done: it has mended that
    lab.settle()
    assert lab.kube.objects[job(lab)]["metadata"]["uid"] == uid
    damaged(lab, "2026-01-01T00:02:00Z")
    lab.settle()
    again = lab.kube.objects[job(lab)]
    assert again["metadata"]["uid"] != uid
    assert lab.condition("Progressing")["reason"] == "FillingCache"
    assert "1 of 2 models are not whole: PP-OCRv6_tiny_det" in lab.condition("Degraded")["message"]
    complete(lab, "2026-01-01T00:03:00Z")
    lab.settle()
    assert lab.kube.objects[job(lab)]["metadata"]["uid"] == again["metadata"]["uid"]


def test_a_job_that_fails_says_in_a_condition_what_to_do() -> None:
    lab = Lab(OWNER, spec())
    lab.settle()
    labels = lab.kube.objects[job(lab)]["spec"]["template"]["metadata"]["labels"]
    said = "ocr-serving: Cannot reach the package index: set PIP_INDEX_URL, or a proxy, in env."
    ended = {"terminated": {"exitCode": 1, "message": f"Traceback\n{said}\n"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    pod(lab, "filler", labels, "containerStatuses", "pull", waiting, lastState=ended)
    lab.settle()
    found = lab.condition("Degraded")
    assert found["reason"] == "CacheNotFilled"
    assert (
        "cannot fill the cache of models: Cannot reach the package index: set PIP_INDEX_URL, or a proxy, in env" in found["message"]
    )
    assert "it goes on by itself once that is mended" in found["message"]


def test_a_job_that_gave_up_is_made_anew() -> None:
    lab = Lab(OWNER, spec())
    lab.settle()
    uid = lab.kube.objects[job(lab)]["metadata"]["uid"]
    lab.kube.put({**lab.kube.objects[job(lab)], "status": {"conditions": [{"type": "Failed", "status": "True"}]}})
    lab.settle()
    assert lab.kube.objects[job(lab)]["metadata"]["uid"] != uid


def test_a_claim_without_a_volume_says_which_volumes_it_wants() -> None:
    lab = Lab(OWNER, spec())
    lab.settle()
    lab.kube.put({**lab.kube.objects[CLAIM], "status": {"phase": "Pending"}})
    lab.settle()
    assert "its claim a--models has no volume of ReadWriteMany yet: see that" in lab.condition("Progressing")["message"]


@pytest.mark.parametrize(("reclaim", "left"), [(None, [CLAIM]), ("Retain", [CLAIM]), ("Delete", [])])
def test_switched_off_the_claim_stays_unless_told_otherwise(reclaim: str | None, left: list[Ref]) -> None:
    lab = Lab(OWNER, spec(cache={"reclaim": reclaim} if reclaim else {}))
    lab.settle()
    complete(lab)
    lab.settle()
    lab.ask({"modules": [{"name": "ocr_system", "device": "cpu"}]})
    lab.settle()
    assert [ref for ref in lab.children if ref.kind in ("PersistentVolumeClaim", "Job") or "--" in ref.name] == left
    lab.ask(spec())  # and it is found again, without being anybody's meanwhile
    lab.settle()
    assert CLAIM in lab.children
    assert lab.condition("Degraded")["status"] == "False"


def test_a_canary_waits_for_weights_that_are_kept_beside_those_that_serve() -> None:
    gated: JSON = {"rollout": {"strategy": "Gated", "golden": {"configMap": "golden"}}}
    lab = Lab(OWNER, spec(**gated))
    lab.settle()
    complete(lab)
    lab.settle()
    lab.ask(spec("PP-OCRv6_medium", **gated))
    lab.settle()
    fill = lab.spec(next(ref for ref in lab.kube.objects if "--models" in ref.name and ref.kind == "Job"))
    assert fill["template"]["spec"]["containers"][0]["args"][2:] == ["PP-OCRv6_medium", "PP-OCRv6_tiny"]
    assert not [ref for ref in lab.children if ref.name.endswith("-canary")]
    complete(lab)
    lab.turn()
    lab.turn()
    assert Ref("Deployment", "ns", "a-ocr-system-canary") in lab.children
    assert "PP-OCRv6_tiny" in model(lab)


def test_a_new_version_of_the_operator_fills_the_cache_of_a_few_services_at_a_time(lab: Lab) -> None:
    def follow(*before: Owner) -> None:
        lab.cache = Cache()
        lab.reconciler = Reconciler(lab.kube, lab.cache, Settings(tag="2"), lab.clock, at_a_time=1, allowed=lab.allowed)
        assert all(lab.reconciler._upgrades.may_begin(other) for other in before)
        lab.settle()

    def image() -> str:
        return str(lab.spec(DEPLOYMENT)["template"]["spec"]["containers"][0]["image"])

    first = image()
    follow(Owner("ns", "other"))
    assert lab.condition("Progressing")["reason"] == "UpgradeWaits"
    assert (image(), [ref for ref in lab.children if ref.kind == "Job"]) == (first, [])
    follow()
    assert lab.condition("Progressing")["reason"] == "FillingCache"
    assert image() == first
    complete(lab)
    lab.settle()
    assert image() != first
