"""The status that a user reads, from what is observed."""

from collections.abc import Mapping
from typing import Any

from ocr_operator.api.spec import Settings, parse
from ocr_operator.observed.status import Findings, Observed, Problem, condition, status_of

SETTINGS = Settings("reg.example", "team", "1.2")
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
CRASHED = {"terminated": {"exitCode": 4, "message": "ocr-serving: use_gpu needs a GPU"}}


def _body(status: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "ocr-serving.dev/v1alpha1",
        "kind": "OCRService",
        "metadata": {"name": "invoices", "namespace": "ns", "uid": "u", "generation": 3},
        "spec": {"modules": [{"name": "ocr_system"}, {"name": "ocr_det", "device": "cpu", "replicas": 1}], **spec},
        "status": dict(status or {}),
    }


def _deployment(replicas: int = 1, *, available: int = 1, updated: int = 1, total: int = 1, seen: bool = True) -> dict[str, Any]:
    status = {
        "observedGeneration": 5 if seen else 4,
        "availableReplicas": available,
        "readyReplicas": available,
        "updatedReplicas": updated,
        "replicas": total,
    }
    return {"metadata": {"generation": 5}, "spec": {"replicas": replicas}, "status": status}


def _status(body: dict[str, Any], now: str = NOW, /, **observed: Observed) -> dict[str, Any]:
    return status_of(body, parse(body), observed, Findings(), SETTINGS, now)


def _verdicts(status: Mapping[str, Any]) -> dict[str, str]:
    return {item["type"]: item["status"] for item in status["conditions"] if item["type"] not in ("Reconciling", "Stalled")}


def test_all_modules_serving_is_ready() -> None:
    status = _status(_body(), ocr_system=Observed(_deployment()), ocr_det=Observed(_deployment()))
    assert _verdicts(status) == {"Ready": "True", "Progressing": "False", "Degraded": "False"}
    assert status["ready"] == "2/2"
    assert status["observedGeneration"] == 3
    assert all(item["observedGeneration"] == 3 for item in status["conditions"])
    assert status["modules"][0] == {
        "name": "ocr_system",
        "url": "http://invoices-ocr-system.ns.svc:8868/predict/ocr_system",
        "replicas": 1,
        "readyReplicas": 1,
        "image": "reg.example/team/ocr-system:1.2-gpu",
    }
    assert status["modules"][1]["image"] == "reg.example/team/ocr-det:1.2-cpu"


def test_before_the_deployments_exist_it_is_on_its_way() -> None:
    status = _status(_body())
    assert _verdicts(status) == {"Ready": "False", "Progressing": "True", "Degraded": "False"}
    assert status["ready"] == "0/2"
    assert condition(status, "Ready")["message"] == "ocr_system: 0 of 1 pods ready; ocr_det: 0 of 1 pods ready"


def test_a_change_that_its_controller_has_not_seen_yet_takes_nothing_from_ready_and_is_progressing() -> None:
    status = _status(_body(), ocr_system=Observed(_deployment(seen=False)), ocr_det=Observed(_deployment()))
    assert _verdicts(status) == {"Ready": "True", "Progressing": "True", "Degraded": "False"}


def test_a_deployment_that_its_controller_has_never_seen_is_not_ready() -> None:
    new = {"metadata": {"generation": 1}, "spec": {"replicas": 0}, "status": {}}
    status = _status(_body(), ocr_system=Observed(new), ocr_det=Observed(_deployment()))
    assert _verdicts(status)["Ready"] == "False"


def test_while_a_new_version_rolls_out_the_old_one_serves() -> None:
    rolling = _deployment(2, available=2, updated=1, total=3)
    status = _status(_body(), ocr_system=Observed(rolling), ocr_det=Observed(_deployment()))
    assert _verdicts(status) == {"Ready": "True", "Progressing": "True", "Degraded": "False"}
    assert condition(status, "Progressing")["message"] == "rolling out ocr_system"


def test_scaled_to_zero_is_as_asked() -> None:
    nothing = Observed(_deployment(0, available=0, updated=0, total=0))
    status = _status(_body(), ocr_system=nothing, ocr_det=nothing)
    assert _verdicts(status) == {"Ready": "True", "Progressing": "False", "Degraded": "False"}


def test_a_failing_pod_degrades_with_its_sentence_even_while_old_pods_serve() -> None:
    pod = {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "server", "ready": False, "state": CRASHED}]}}
    broken = Observed(_deployment(1, available=1, updated=0, total=2), [pod])
    status = _status(_body(), ocr_system=broken, ocr_det=Observed(_deployment()))
    assert _verdicts(status) == {"Ready": "True", "Progressing": "True", "Degraded": "True"}
    assert condition(status, "Degraded")["message"] == "ocr_system: use_gpu needs a GPU"
    assert status["modules"][0]["lastFailure"] == "use_gpu needs a GPU"


def test_a_failure_that_is_over_is_kept_for_the_module_and_degrades_nothing() -> None:
    container = {"name": "server", "ready": True, "state": {"running": {}}, "lastState": CRASHED}
    pod = {"metadata": {"name": "p"}, "status": {"containerStatuses": [container]}}
    status = _status(_body(), ocr_system=Observed(_deployment(), [pod]), ocr_det=Observed(_deployment()))
    assert status["modules"][0]["lastFailure"] == "use_gpu needs a GPU"
    assert _verdicts(status)["Degraded"] == "False"


def test_what_cannot_be_applied_says_why_and_keeps_what_is_known_of_the_modules() -> None:
    good = _status(_body(), ocr_system=Observed(_deployment()), ocr_det=Observed(_deployment()))
    body = _body(good)
    status = status_of(body, None, {}, Findings(problem=Problem("InvalidSpec", "spec.x is wrong")), SETTINGS, LATER)
    assert _verdicts(status) == {"Ready": "False", "Progressing": "False", "Degraded": "True"}
    assert condition(status, "Degraded")["reason"] == "InvalidSpec"
    assert condition(status, "Degraded")["message"] == "spec.x is wrong"
    assert status["modules"] == good["modules"]
    assert status["ready"] == "2/2"


def test_times_of_transition_change_only_with_the_verdict() -> None:
    ready = {"ocr_system": Observed(_deployment()), "ocr_det": Observed(_deployment())}
    first = _status(_body(), NOW, **ready)
    assert _status(_body(first), LATER, **ready) == first, "the same observations give the same status, so nothing is written"
    later = _status(_body(first), LATER, ocr_system=Observed(_deployment(available=0)), ocr_det=Observed(_deployment()))
    assert condition(later, "Ready")["lastTransitionTime"] == LATER
    assert condition(later, "Degraded")["lastTransitionTime"] == NOW


def test_the_scale_is_that_of_the_first_module_that_follows_the_defaults() -> None:
    body = _body(defaults={"replicas": 4})
    status = _status(body, ocr_system=Observed(_deployment(4)), ocr_det=Observed(_deployment()))
    assert status["replicas"] == 4
    assert "app.kubernetes.io/component=ocr-system" in status["selector"]
    body["spec"]["modules"][0]["replicas"] = 2
    assert "selector" not in _status(body, ocr_system=Observed(_deployment(2)), ocr_det=Observed(_deployment()))


def test_a_gateway_that_does_not_take_the_route_is_told_of_in_its_words() -> None:
    route = {"parentRefs": [{"name": "public"}], "hostnames": ["a.example.org"], "tls": {"sectionName": "https"}}
    body = _body(modules=[{"name": "ocr_system", "httpRoute": route}])

    def status_with(**said: str) -> dict[str, Any]:
        parent = {"parentRef": {"name": "public"}, "conditions": [{"type": "Accepted", **said}]}
        return _status(body, ocr_system=Observed(_deployment(), route={"status": {"parents": [parent]}}))

    refused = status_with(status="False", reason="NotAllowedByListeners", message="No matching listener.")
    assert condition(refused, "Degraded")["reason"] == "RouteNotAccepted"
    assert "the Gateway public does not take httpRoute (No matching listener)" in condition(refused, "Degraded")["message"]
    taken = status_with(status="True", reason="Accepted", message="")
    assert _verdicts(taken)["Degraded"] == "False"
    assert taken["modules"][0]["outside"] == ["https://a.example.org/predict/ocr_system"]
