"""From helm install to helm uninstall: what a user does on the first day. The tests of this file build on one another."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.clients import Client
from e2e.images import ROOT, Images
from e2e.lab import CRD, NAMESPACE, RELEASE, Lab
from helpers import ocrservices
from helpers.services import GOLDEN
from ocr_serving import data

SAMPLE = ROOT / "manifests" / "samples" / "invoices.yaml"
PAGES = GOLDEN / "pages"
IN_VALUES: dict[str, Any] = {
    "receipts": {
        "defaults": {"device": "cpu", "workers": 1},
        "modules": [{"name": "ocr_system"}, {"name": "structure_table"}],
    }
}


@pytest.fixture(scope="module")
def before(lab: Lab) -> set[str]:
    """What there is in the cluster before the chart."""
    lab.make_namespace(NAMESPACE)
    lab.wait_for(lambda: lab.get("serviceaccount", "default", "-n", NAMESPACE), "the namespace's ServiceAccount")
    return everything(lab)


@pytest.fixture(scope="module")
def client(lab: Lab, made: Images) -> Client:
    """A pod beside the services."""
    return Client(lab, NAMESPACE, made.module("ocr_system"))


def everything(lab: Lab) -> set[str]:
    """ "Kind namespace/name" of all objects in the cluster but those that come and go by themselves."""
    kinds = lab.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    passing = ("events", "leases.coordination.k8s.io", "componentstatuses", "endpoints")
    listed = ",".join(kind for kind in kinds if not kind.startswith(passing))
    columns = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name"
    lines = lab.kubectl("get", listed, "--all-namespaces", "--no-headers", "-o", columns).stdout.splitlines()
    return {f"{kind} {namespace}/{name}" for kind, namespace, name in (line.split() for line in lines)}


def pods(lab: Lab, component: str) -> set[str]:
    """uids of a module's pods that are to stay."""
    found = lab.items("pods", NAMESPACE, "-l", f"app.kubernetes.io/component={component}")
    return {pod["metadata"]["uid"] for pod in found if "deletionTimestamp" not in pod["metadata"]}


def operators(lab: Lab) -> set[str]:
    """uids of the operator's pods."""
    return {pod["metadata"]["uid"] for pod in lab.items("pods", NAMESPACE, "-l", "app.kubernetes.io/name=ocr-operator")}


def test_helm_install_ends_with_an_operator_that_is_ready(lab: Lab, before: set[str], chart_values: dict[str, Any]) -> None:
    notes = lab.install(chart_values)
    assert "There is no service yet. Make one:" in notes
    deployment = lab.get("deployment", f"{RELEASE}-operator", "-n", NAMESPACE)
    assert deployment["status"]["readyReplicas"] == 1


def test_a_sample_is_applied_and_gets_ready(lab: Lab, before: set[str]) -> None:
    lab.kubectl("apply", "-n", NAMESPACE, "-f", SAMPLE)
    ocrservices.wait_for_condition(lab, NAMESPACE, "Ready", seconds=240)
    listed = lab.kubectl("get", "ocr", "-n", NAMESPACE, "--no-headers").stdout.split()
    assert listed[:3] == ["invoices", "True", "2/2"]
    assert ocrservices.condition(lab, NAMESPACE, "Degraded")["status"] == "False"


def test_a_pod_reads_pages_and_a_table_over_http(lab: Lab, client: Client) -> None:
    modules = {module["name"]: module["url"] for module in ocrservices.status(lab, NAMESPACE)["modules"]}
    assert modules["ocr_system"] == f"http://invoices-ocr-system.{NAMESPACE}.svc:8868/predict/ocr_system"

    answer = client.ask(modules["ocr_system"], (PAGES / "invoice_en.jpg").read_bytes())
    text = " ".join(line["text"] for line in answer["results"][0])
    assert (answer["status"], answer["msg"]) == ("000", "")
    for words in ("INVOICE", "INV-2026-00417", "Contoso Manufacturing GmbH"):
        assert words in text

    answer = client.ask(modules["ocr_system"], data.PAGE.read_bytes())
    assert len(answer["results"][0]) > 10

    answer = client.ask(modules["structure_table"], (PAGES / "table_crop.jpg").read_bytes())
    html = answer["results"][0]["html"]
    assert html.startswith("<html><body><table>")
    for row in (
        "<td>Region</td><td>Q1</td><td>Q2</td><td>Q3</td><td>Q4</td><td>Total</td>",
        "<td>5,331</td><td>4,017</td><td>6,134</td>",
    ):
        assert row in html


def test_the_old_client_works(client: Client) -> None:
    url = f"http://invoices-ocr-system.{NAMESPACE}.svc:8868/predict/ocr_system"
    picture = (PAGES / "table_crop.jpg").read_bytes()
    read = client.run("old_client.py", url, stdin=picture)
    assert "Region 0.9" in read
    assert "[[" in read

    client.execute("sh", "-c", "mkdir -p /tmp/pages && cat >/tmp/pages/table.jpg", stdin=picture)
    client.execute("sh", "-c", f"cd /tmp && ocr-serving client --server_url {url} --image_dir pages --visualize --output out")
    assert "table.jpg" in client.execute("ls", "/tmp/out")


def test_helm_test_asks_every_service_of_the_values(lab: Lab, chart_values: dict[str, Any]) -> None:
    lab.kubectl("delete", "ocr", "invoices", "-n", NAMESPACE)
    notes = lab.install(chart_values | {"services": IN_VALUES})
    urls = [f"http://receipts-ocr-system.{NAMESPACE}.svc:8868/predict/ocr_system",
            f"http://receipts-structure-table.{NAMESPACE}.svc:8869/predict/structure_table"]  # fmt: skip
    for url in urls:
        assert f"curl -sS -H 'Content-Type: application/json' {url}" in notes
    said = lab.helm("test", RELEASE, "--namespace", NAMESPACE, "--timeout", "280s")
    for url in urls:
        assert f"ok    {url}" in said
    ocrservices.wait_for_condition(lab, NAMESPACE, "Ready", name="receipts", seconds=60)


def test_an_upgrade_replaces_the_pods_of_what_changed_and_no_others(lab: Lab, client: Client, chart_values: dict[str, Any]) -> None:
    text, table, operator = pods(lab, "ocr-system"), pods(lab, "structure-table"), operators(lab)
    changed = json.loads(json.dumps(IN_VALUES))
    changed["receipts"]["modules"][0]["params"] = {"drop_score": 1}
    lab.install(chart_values | {"services": changed})
    url = f"http://receipts-ocr-system.{NAMESPACE}.svc:8868/predict/ocr_system"
    picture = data.WARMUP.read_bytes()
    lab.wait_for(lambda: client.ask(url, picture)["results"] == [[]], "an answer with the new drop_score", 120)
    lab.wait_for(lambda: len(pods(lab, "ocr-system")) == 1, "the old pod to go", 60)
    assert pods(lab, "ocr-system").isdisjoint(text)
    assert (pods(lab, "structure-table"), operators(lab)) == (table, operator)


def test_uninstall_leaves_the_definition_and_nothing_else(lab: Lab, before: set[str]) -> None:
    lab.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", "120s")
    lab.kubectl("delete", "pod", "client", "-n", NAMESPACE)
    definition = {f"CustomResourceDefinition <none>/{CRD}", "APIService <none>/v1alpha1.ocr-serving.dev"}
    lab.wait_for(lambda: everything(lab) - before <= definition, lambda: f"these to go: {everything(lab) - before}", 200)
    assert everything(lab) - before == definition
