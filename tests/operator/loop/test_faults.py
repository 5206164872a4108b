"""What goes wrong around the operator, on a real API server: it says so, waits, and goes on."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.api_client import SERVICE_MONITOR_CRD, Api, http_route_crd
from helpers.control_plane import ControlPlane
from helpers.ocrservices import EVERYTHING, MANAGED, service, status, wait_for_condition
from helpers.operator_process import OperatorProcess
from ocr_operator.api.crd import crd

WORDS = '😀 𝕆 \u0085\u2028\u202e\ufeff\x7f ﷽ \t"\\ud83d ⊕'
TOKEN = "automountServiceAccountToken"
DEPLOYMENT = ("deployment", "invoices-ocr-system")


@pytest.fixture
def webhook(api_server: ControlPlane, namespace: str) -> Iterator[str]:
    """A webhook that cannot be reached, for the Deployment of the OCRService `webbed` in the test's namespace."""
    name = "nowhere.example.org"
    hook = {
        "name": name,
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "objectSelector": {"matchLabels": {"app.kubernetes.io/instance": "webbed"}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    api_server.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [hook],
        }
    )
    yield "webbed"
    api_server.kubectl("delete", "validatingwebhookconfiguration", name)


def test_one_object_that_a_webhook_keeps_from_being_written_backs_off_alone(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str, webhook: str
) -> None:
    operator.wait_until_settled()
    lists = operator.metric("ocr_operator_lists_total")
    api_server.apply(service(namespace, webhook))
    api_server.wait_for(lambda: operator.log.read_text().count(f"{namespace}/{webhook}") >= 4, "four attempts")
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    assert operator.metric("ocr_operator_lists_total") == lists
    assert operator.ask("/healthz") == (200, "ok")


def test_text_of_any_characters_arrives(api_server: ControlPlane, operator: OperatorProcess, namespace: str) -> None:
    params = {"words": WORDS, WORDS: [WORDS]}
    module = {"name": "ocr_system", "device": "cpu", "replicas": 0, "params": params, "podAnnotations": {"example.org/a": WORDS}}
    api_server.apply(service(namespace, modules=[module]))
    wait_for_condition(api_server, namespace, "Ready")
    config = api_server.get("configmap", DEPLOYMENT[1], "-n", namespace)["data"]["config.json"]
    assert json.loads(config)["modules_info"]["ocr_system"]["params"] == params
    template = api_server.get(*DEPLOYMENT, "-n", namespace)["spec"]["template"]
    assert template["metadata"]["annotations"]["example.org/a"] == WORDS


def test_rare_characters_in_a_pods_last_words_are_told(api_server: ControlPlane, operator: OperatorProcess, namespace: str) -> None:
    api_server.apply(service(namespace, modules=[{"name": "ocr_system", "device": "cpu", "replicas": 1}]))
    api_server.wait_for(lambda: api_server.items("pods", namespace), "the pod")
    (pod,) = api_server.items("pods", namespace)
    said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": f"{WORDS} no node"}
    patch = json.dumps({"status": {"conditions": [said]}})
    api_server.kubectl("patch", "pod", pod["metadata"]["name"], "-n", namespace, "--subresource=status", "-p", patch)
    degraded = wait_for_condition(api_server, namespace, "Degraded", reason="Unschedulable")
    assert "😀 𝕆" in degraded["message"]


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        ({"spec": {"paused": True}}, "{.spec.paused}"),
        (
            {"spec": {"template": {"spec": {"automountServiceAccountToken": None}}}},
            "{.spec.template.spec.automountServiceAccountToken}",
        ),
    ],
)
def test_what_was_set_to_stop_a_rollout_or_was_taken_out_is_put_back(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str, edit: dict[str, Any], path: str
) -> None:
    def field() -> str:
        return api_server.kubectl("get", *DEPLOYMENT, "-n", namespace, "-o", f"jsonpath={path}").stdout

    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    before = field()
    api_server.kubectl("patch", *DEPLOYMENT, "-n", namespace, "--type=merge", "-p", json.dumps(edit))
    api_server.wait_for(lambda: field() == before, f"{path} to be {before!r}", 5)


def test_a_config_that_was_made_immutable_is_made_anew_once_it_has_to_change(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    module = {"name": "ocr_system", "device": "cpu", "replicas": 0}
    api_server.apply(service(namespace, modules=[module]))
    wait_for_condition(api_server, namespace, "Ready")
    config = ("configmap", "invoices-ocr-system", "-n", namespace)
    api_server.kubectl("patch", *config, "-p", json.dumps({"immutable": True}))
    api_server.apply(service(namespace, modules=[{**module, "params": {"drop_score": 0.75}}]))
    api_server.wait_for(lambda: "0.75" in (api_server.get(*config) or {"data": {"config.json": ""}})["data"]["config.json"], "it")
    wait_for_condition(api_server, namespace, "Ready")


def test_a_port_that_was_edited_beside_a_foreign_one_is_put_back(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")

    def ports() -> dict[str, Any]:
        spec = api_server.get("service", "invoices-ocr-system", "-n", namespace)["spec"]
        return {port["name"]: port["targetPort"] for port in spec["ports"]}

    def patch(*ports: dict[str, Any]) -> None:
        edit = json.dumps({"spec": {"ports": ports}})
        api_server.kubectl("patch", "service", "invoices-ocr-system", "-n", namespace, "--type=strategic", "-p", edit)

    patch({"name": "theirs", "port": 9999, "protocol": "TCP", "targetPort": 9999})
    operator.wait_until_settled()
    assert ports() == {"http": "http", "theirs": 9999}
    patch({"port": 8868, "protocol": "TCP", "targetPort": 1234})
    api_server.wait_for(lambda: ports() == {"http": "http", "theirs": 9999}, "the port to be put back", 5)


def test_an_image_that_another_one_sets_again_and_again_is_contended(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str
) -> None:
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    before = len(api_server.writes())
    edit = json.dumps({"spec": {"template": {"spec": {"containers": [{"name": "server", "image": "theirs:1"}]}}}})

    edits = 0

    def is_contended() -> bool:
        nonlocal edits
        edits += 1
        api_server.kubectl("patch", *DEPLOYMENT, "-n", namespace, "--field-manager=image-patcher", "-p", edit)
        conditions = status(api_server, namespace)["conditions"]
        return any(item["type"] == "Degraded" and item["reason"] == "Contended" for item in conditions)

    api_server.wait_for(is_contended, "Contended", 60)
    degraded = wait_for_condition(api_server, namespace, "Degraded", reason="Contended")
    assert "image-patcher" in degraded["message"]
    for _ in range(20):
        is_contended()
    # Three rounds at once, further ones minutes apart; three once more where the other one is silent for half a minute.
    here = [event["objectRef"] for event in api_server.writes()[before:] if event["objectRef"].get("namespace") == namespace]
    assert 3 <= [item["resource"] for item in here].count("deployments") <= edits // 2


LATER_CRDS = (SERVICE_MONITOR_CRD["metadata"]["name"], "httproutes.gateway.networking.k8s.io")


@pytest.fixture
def definitions(api_server: ControlPlane) -> Iterator[Api]:
    """An API server that may be given the kinds ServiceMonitor and HTTPRoute; they are taken away in the end."""
    with contextlib.closing(Api(api_server)) as api:
        yield api
        api_server.kubectl("delete", "crd", *LATER_CRDS, "--ignore-not-found")


def test_kinds_that_come_later_are_watched_and_those_that_go_end_nothing(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str, definitions: Api
) -> None:
    route = {"parentRefs": [{"name": "public"}], "hostnames": ["ocr.example.org"], "allowFromNamespaces": ["gateways"]}
    api_server.apply(service(namespace, modules=[{**EVERYTHING, "serviceMonitor": {}, "httpRoute": route}]))
    wait_for_condition(api_server, namespace, "Degraded", reason="Refused")
    definitions.establish(SERVICE_MONITOR_CRD, http_route_crd())

    def are_there() -> bool:
        return len(api_server.items("servicemonitor,httproute", namespace, "-l", MANAGED)) == 2

    api_server.wait_for(are_there, "the ServiceMonitor and the HTTPRoute", 90)
    # One line tells of both where the operator looks once both are there.
    came = re.compile("the kind (ServiceMonitor|HTTPRoute) came")
    api_server.wait_for(lambda: came.search(operator.log.read_text()), "a watch of them", 60)
    operator.wait_until_settled()
    api_server.kubectl("delete", "servicemonitor,httproute", "invoices-ocr-system", "-n", namespace)
    api_server.wait_for(are_there, "both to be back", 30)
    api_server.kubectl("delete", "crd", *LATER_CRDS)
    api_server.apply(service(namespace, "later"))
    wait_for_condition(api_server, namespace, "Ready", name="later")
    wait_for_condition(api_server, namespace, "Degraded", reason="Refused")
    assert operator.is_running


def test_a_definition_that_is_deleted_is_waited_for(api_server: ControlPlane, operator: OperatorProcess, namespace: str) -> None:
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    api_server.kubectl("delete", "crd", "ocrservices.ocr-serving.dev")
    told = "waiting: the CRD ocrservices.ocr-serving.dev is not installed"
    api_server.wait_for(
        lambda: told in operator.log.read_text(), lambda: f"it to say so: {operator.log.read_text()[3000:6000]}", 30
    )
    api_server.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(crd()))
    api_server.wait_for_crds("ocrservices.ocr-serving.dev")
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    assert operator.is_running
    assert "Traceback" not in operator.log.read_text()


def test_a_second_release_over_the_same_namespace_changes_nothing_and_is_told_of(
    api_server: ControlPlane, operator: OperatorProcess, namespace: str, tmp_path: Path
) -> None:
    api_server.apply(service(namespace))
    wait_for_condition(api_server, namespace, "Ready")
    operator.wait_until_settled()
    flags = ("--namespace", namespace, "--lease-name", "other", "--image-tag", "9.9")
    second = OperatorProcess(api_server, tmp_path / "log", *flags, name="second")
    before = len(api_server.writes())
    second.start()
    try:
        degraded = wait_for_condition(api_server, namespace, "Degraded", reason="Contended", seconds=120)
        assert "the lease other in namespace default" in degraded["message"]
        second.wait_until_settled(60)
        operator.wait_until_settled(60)
    finally:
        second.end()
    here = [event["objectRef"] for event in api_server.writes()[before:] if event["objectRef"].get("namespace") == namespace]
    assert {item["resource"] for item in here} <= {"ocrservices", "events"}
