"""What the chart renders, refuses and says; no cluster is asked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from charts import generate
from prometheus_client import generate_latest

from ocr_operator.api.crd import crd
from ocr_operator.api.reading import documents
from ocr_operator.api.spec import Settings, parse
from ocr_operator.cli import parser
from ocr_operator.desired.render import render as desired
from ocr_operator.metrics import Metrics as OperatorMetrics
from ocr_operator.names import API_VERSION, CHILD_KINDS, KIND
from ocr_serving.server.metrics import Metrics
from ocr_serving.server.pool import PoolState

Helm = Callable[..., subprocess.CompletedProcess[str]]
Render = Callable[..., list[dict[str, Any]]]

CI = sorted((generate.CHART / "ci").glob("*-values.yaml"))
SNAPSHOTS = Path(__file__).parent / "snapshots"
ci = pytest.mark.parametrize("values", CI, ids=[path.name.removesuffix("-values.yaml") for path in CI])


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item for item in objects if item["kind"] == kind]


def services(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The OCRServices that the Job would apply."""
    return [
        documents(json.dumps(json.loads(item["data"]["ocrservice.yaml"])))[0]
        for item in of_kind(objects, "ConfigMap")
        if "ocrservice.yaml" in item["data"]
    ]


@ci
def test_lint_has_nothing_to_say(values: Path, helm: Helm) -> None:
    said = helm("lint", "--strict", generate.CHART, "--values", values, "--kube-version", generate.KUBE_VERSION).stdout
    assert [line for line in said.splitlines() if line.startswith("[") and "icon is recommended" not in line] == []


@ci
def test_renders_as_the_snapshot(values: Path, helm: Helm) -> None:
    """UPDATE_SNAPSHOTS=1 writes them. What is in files of its own, the definition, scripts and dashboards, is left out."""
    options = ("--namespace", "ocr", "--kube-version", generate.KUBE_VERSION, "--values", values)
    rendered = helm("template", "ocr", generate.CHART, *options).stdout
    rendered = re.sub(
        r"(kind: CustomResourceDefinition\n.*?^spec:).*?(?=^---)", r"\1 …\n", rendered, flags=re.MULTILINE | re.DOTALL
    )
    rendered = re.sub(r"(?<=    - \|\n) +\"\"\".*?sys\.exit\(main\([^\n]*\n", "      …\n", rendered, flags=re.DOTALL)
    rendered = re.sub(r"(?<=\.json: )\".*\"", "…", rendered)
    snapshot = SNAPSHOTS / values.name.replace("-values", "")
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(rendered)
    assert rendered == snapshot.read_text(), "UPDATE_SNAPSHOTS=1 writes them anew"


@pytest.mark.api_server
def test_generated_files_are_current() -> None:
    assert generate.stale() == [], "run `make manifests`"


def test_the_definition_in_a_release_is_the_operators_own(render: Render) -> None:
    (rendered,) = of_kind(render({}), "CustomResourceDefinition")
    assert rendered["spec"] == crd()["spec"]
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_every_value_is_described() -> None:
    rows = list(generate.rows((generate.CHART / "values.yaml").read_text()))
    assert [key for key, _, comment in rows if not comment] == []
    assert len(rows) > 40


BAD_VALUES: list[tuple[dict[str, Any], str]] = [
    ({"replicas": 2}, "additional properties 'replicas' not allowed"),
    ({"operator": {"replica": 2}}, "at '/operator': additional properties 'replica' not allowed"),
    ({"operator": {"replicas": "two"}}, "at '/operator/replicas': got string, want integer"),
    ({"operator": {"replicas": -1}}, "at '/operator/replicas': minimum: got -1, want 0"),
    ({"operator": {"replicas": 2, "leaderElection": False}}, "operator.replicas is above 1 while operator.leaderElection is off"),
    ({"operator": {"logFormat": "xml"}}, "at '/operator/logFormat': value must be one of 'json', 'text'"),
    ({"operator": {"image": {"pullPolicy": "Sometimes"}}}, "value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ({"operator": {"image": {"tag": "1"}}}, "at '/operator/image': additional properties 'tag' not allowed"),
    ({"operator": {"env": [{"value": "1"}]}}, "at '/operator/env/0': missing property 'name'"),
    ({"operator": {"podAnnotations": {"a": True}}}, "at '/operator/podAnnotations/a': got boolean, want string"),
    ({"operator": {"workers": 0}}, "at '/operator/workers': minimum: got 0, want 1"),
    ({"operator": {"workers": 100000}}, "at '/operator/workers': maximum: got 100,000, want 256"),
    ({"operator": {"upgradesAtATime": 0}}, "at '/operator/upgradesAtATime'"),
    ({"operator": {"resyncSeconds": 0}}, "at '/operator/resyncSeconds'"),
    ({"scope": "everywhere"}, "at '/scope': value must be one of 'namespaced', 'cluster'"),
    ({"scope": "cluster", "watchNamespaces": ["a"]}, "watchNamespaces is set while scope is cluster"),
    ({"watchNamespaces": ["Team_A"]}, "at '/watchNamespaces/0': 'Team_A' does not match pattern"),
    ({"images": {"tag": "a b"}}, "at '/images/tag': 'a b' does not match pattern"),
    ({"images": {"repository": "Ocr/"}}, "at '/images/repository': 'Ocr/' does not match pattern"),
    ({"crds": {"keep": "yes"}}, "at '/crds/keep': got string, want boolean"),
    ({"rbac": {"aggregate": "view"}}, "at '/rbac/aggregate': got string, want"),
    ({"serviceAccount": {"create": False}}, "serviceAccount.name: name the ServiceAccount to use"),
    ({"serviceMonitor": {"interval": "often"}}, "at '/serviceMonitor/interval': 'often' does not match pattern"),
    ({"networkPolicy": {"from": {}}}, "at '/networkPolicy/from': got object, want array"),
    ({"podDisruptionBudget": {"maxUnavailable": "one"}}, "at '/podDisruptionBudget/maxUnavailable'"),
    ({"keda": {"minReplicas": 0}}, "at '/keda/minReplicas': minimum: got 0, want 1"),
    ({"keda": {"enabled": True, "minReplicas": 5, "maxReplicas": 4}}, "keda.minReplicas is above keda.maxReplicas"),
    ({"keda": {"serverAddress": "prometheus:9090"}}, "at '/keda/serverAddress'"),
    ({"customMetrics": {"namespace": "A"}}, "at '/customMetrics/namespace'"),
    ({"tests": {"timeoutSeconds": 0}}, "at '/tests/timeoutSeconds': minimum: got 0, want 1"),
    ({"dashboards": {"namespace": "A"}}, "at '/dashboards/namespace'"),
    ({"services": {"Invoices": {"modules": [{"name": "ocr_det"}]}}}, "services.Invoices: the name becomes part of host names"),
    ({"services": {"a" * 56: {"modules": [{"name": "ocr_det"}]}}}, "together longer than 62 characters: shorten its name"),
    ({"services": {"a": {}}}, "at '/services/a': missing property 'modules'"),
    ({"services": {"a": {"modules": []}}}, "at '/services/a/modules': minItems: got 0, want 1"),
    ({"services": {"a": {"modules": [{"device": "cpu"}]}}}, "at '/services/a/modules/0': missing property 'name'"),
    ({"services": {"a": {"modules": [{"name": "ocr-det"}]}}}, "at '/services/a/modules/0/name': 'ocr-det' does not match pattern"),
    ({"services": {"a": {"modules": [{"name": "ocr_det", "replica": 2}]}}}, "additional properties 'replica' not allowed"),
    (
        {"services": {"a": {"modules": [{"name": "ocr_det", "port": 80}]}}},
        "at '/services/a/modules/0/port': minimum: got 80, want 1,024",
    ),
    ({"services": {"a": {"modules": [{"name": "ocr_det", "device": "tpu"}]}}}, "value must be one of"),
    (
        {"watchNamespaces": ["b"], "services": {"a": {"modules": [{"name": "ocr_det"}]}}},
        "services are created in namespace ocr, which watchNamespaces does not name",
    ),
]


@pytest.mark.parametrize(("values", "message"), BAD_VALUES, ids=[json.dumps(values) for values, _ in BAD_VALUES])
def test_a_wrong_value_is_refused_with_where_and_why(values: dict[str, Any], message: str, helm: Helm) -> None:
    options = ("--namespace", "ocr", "--kube-version", generate.KUBE_VERSION, "--values", "-")
    done = helm("template", "ocr", generate.CHART, *options, stdin=json.dumps(values), check=False)
    assert done.returncode != 0
    assert message in done.stderr


NAMES_LIKE_VALUES = ["123", "true", "on", "null", "1e3", "0x1f"]


@pytest.mark.parametrize("name", NAMES_LIKE_VALUES)
def test_names_that_look_like_other_values_are_text(name: str, helm: Helm) -> None:
    values: dict[str, Any] = {
        "fullnameOverride": name,
        "serviceMonitor": {"enabled": True},
        "podDisruptionBudget": {"enabled": True},
        "networkPolicy": {"enabled": True},
        "dashboards": {"enabled": True},
        "operator": {"image": {"pullSecrets": [name]}, "priorityClassName": name},
    }
    if name[0].isalpha():
        values["services"] = {name: {"modules": [{"name": "ocr_det", "device": "cpu"}]}}
    options = ("--namespace", name, "--kube-version", generate.KUBE_VERSION, "--values", "-")
    done = helm("template", name, generate.CHART, *options, stdin=json.dumps(values))
    objects = [item for item in documents(done.stdout) if item and item["kind"] != "CustomResourceDefinition"]
    assert {item["metadata"].get("namespace", name) for item in objects} == {name}
    assert not [value for item in objects for value in _names(item) if not isinstance(value, str)]
    assert [body["metadata"]["name"] for body in services(objects)] == list(values.get("services", {}))


def _names(value: Any) -> Iterator[Any]:
    """The values of all keys that Kubernetes has text at."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("name", "namespace", "serviceAccountName", "priorityClassName") or key.startswith("app.kubernetes.io/"):
                yield inner
            elif key in ("args", "command", "matchNames"):
                yield from inner
            else:
                yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def test_numbers_of_values_are_those_of_an_ocrservice_applied_by_hand(helm: Helm) -> None:
    numbers = {"a": "1e21", "b": "1e-5", "c": "123456789012345678901234567890", "d": "0o17", "e": "1.0", "f": "'1e3'", "g": "1_000"}
    params = "".join(f"          {key}: {text}\n" for key, text in numbers.items())
    head = "services:\n  invoices:\n    modules:\n      - name: ocr_det\n        device: cpu\n        params:\n"
    options = ("--namespace", "ocr", "--kube-version", generate.KUBE_VERSION, "--values", "-")
    objects = documents(helm("template", "ocr", generate.CHART, *options, stdin=head + params).stdout)
    (sent,) = services([item for item in objects if item])
    (by_hand,) = documents(head + params)
    assert repr(sent["spec"]["modules"][0]["params"]) == repr(by_hand["services"]["invoices"]["modules"][0]["params"])


@ci
def test_the_operator_understands_its_flags(values: Path, render: Render) -> None:
    (deployment,) = of_kind(render(values), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    options = parser().parse_args(container["args"])
    whole_cluster = values.name.startswith("cluster-scope")
    assert (options.namespace, options.all_namespaces) == (None if whole_cluster else ["ocr"], whole_cluster)
    assert options.image_tag == container["image"].rpartition(":")[2]


def test_the_operator_watches_each_namespace_with_a_role_in_it(render: Render) -> None:
    objects = render({"watchNamespaces": ["a", "b"]})
    (deployment,) = of_kind(objects, "Deployment")
    assert parser().parse_args(deployment["spec"]["template"]["spec"]["containers"][0]["args"]).namespace == ["a", "b"]
    assert {(role["metadata"]["namespace"], role["metadata"]["name"]) for role in of_kind(objects, "RoleBinding")} == {
        ("a", "ocr-operator"),
        ("b", "ocr-operator"),
        ("ocr", "ocr-operator-lease"),
    }
    assert of_kind(objects, "ClusterRole") == []


@ci
def test_no_role_reaches_further_than_it_says(values: Path, render: Render) -> None:
    objects = render(values)
    rules = [rule for kind in ("Role", "ClusterRole") for role in of_kind(objects, kind) for rule in role["rules"]]
    assert all("*" not in rule[key] for rule in rules for key in ("apiGroups", "resources", "verbs"))
    children = {plural for _, _, plural in CHILD_KINDS}
    operators = [rule for rule in rules if children & set(rule["resources"]) and "resourceNames" not in rule]
    assert {plural for rule in operators for plural in rule["resources"]} == children
    assert all(set(rule["verbs"]) == {"get", "list", "watch", "create", "patch", "delete"} for rule in operators)
    assert not any("secrets" in rule["resources"] for rule in rules)


@ci
def test_the_test_asks_each_module_where_the_operator_puts_it(values: Path, render: Render) -> None:
    objects = render(values)
    expected = sorted(module.url for body in services(objects) for module in parse(body).modules if module.replicas != 0)
    pods = of_kind(objects, "Pod")
    assert sorted(url for pod in pods for url in pod["spec"]["containers"][0]["args"]) == expected
    assert bool(pods) == bool(expected)


def custom_metrics() -> dict[str, Any]:
    return dict(yaml.safe_load((generate.CHART / "files" / "custom-metrics.yaml").read_text()))


def test_the_adapters_rules_give_pods_what_autoscalers_ask_for(render: Render) -> None:
    objects = render({"customMetrics": {"enabled": True, "namespace": "monitoring"}})
    (config,) = [item for item in of_kind(objects, "ConfigMap") if "config.yaml" in item["data"]]
    assert config["metadata"]["namespace"] == "monitoring"
    assert yaml.safe_load(config["data"]["config.yaml"]) == custom_metrics()
    names = []
    for rule in custom_metrics()["rules"]:
        # The fields of prometheus-adapter's DiscoveryRule, and what its templates may name.
        assert set(rule) <= {"seriesQuery", "resources", "name", "metricsQuery"}
        assert set(re.findall("<<(.*?)>>", rule["metricsQuery"])) <= {".Series", ".LabelMatchers", ".GroupBy"}
        assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}
        names.append(rule.get("name", {}).get("as") or rule["seriesQuery"].partition("{")[0])
    assert names == ["ocr_serving_queue_depth", "ocr_serving_busy_share"]
    both: tuple[dict[str, Any], ...] = ({"name": "ocr_system"}, {"name": "desk", "module": ["ocr_system", "structure_table"]})
    for module in both:
        body = {**module, "device": "cpu", "autoscaling": {"maxReplicas": 2, "targetQueueDepth": 1}}
        (scaler,) = [item for item in manifests(body) if item["kind"] == "HorizontalPodAutoscaler"]
        assert scaler["spec"]["scaleTargetRef"]["name"] == f"a-{module['name'].replace('_', '-')}"
        asked = [item["pods"]["metric"]["name"] for item in scaler["spec"]["metrics"] if item["type"] == "Pods"]
        assert asked == ["ocr_serving_queue_depth"]  # of a pod, whichever of its modules is asked


def test_keda_scales_the_deployments_that_the_operator_leaves_to_it(render: Render) -> None:
    modules = [
        {"name": "ocr_system", "device": "cpu"},
        {"name": "ocr_det", "device": "cpu", "autoscaling": {"maxReplicas": 2}},
        {"name": "letter_head_scan", "device": "cpu", "image": {"reference": "r/i:1"}},
        {"name": "desk", "module": ["ocr_system", "structure_table"], "device": "cpu"},
        {"name": "front_desk", "module": ["ocr_det", "ocr_rec"], "device": "cpu"},
        {"name": "ocr_rec", "device": "cpu", "replicas": 2},  # whose own count is the operator's to keep
    ]
    values = {
        "keda": {"enabled": True, "minReplicas": 2, "maxReplicas": 7, "queueDepth": 0.5, "busyPercent": 75},
        "services": {"mail": {"defaults": {"autoscaling": {"external": True}}, "modules": modules}},
    }
    objects = render(values)
    (body,) = services(objects)
    left = {
        item["metadata"]["name"]
        for item in desired(parse(body), Settings())
        if item["kind"] == "Deployment" and "replicas" not in item["spec"]
    }
    scaled = of_kind(objects, "ScaledObject")
    assert {item["spec"]["scaleTargetRef"]["name"] for item in scaled} == left - {"mail-ocr-det"}
    assert len(scaled) == 4
    for item in scaled:
        spec = item["spec"]
        assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 7)
        assert [trigger["metadata"]["threshold"] for trigger in spec["triggers"]] == ["0.5", "0.75"]
        name = item["metadata"]["name"]
        for trigger in spec["triggers"]:
            (pods,) = set(re.findall('pod=~"([^"]+)"', trigger["metadata"]["query"]))
            assert re.fullmatch(pods, f"{name}-6c4f9d7b5-x2x9z")
            assert not re.fullmatch(pods, f"{name}-canary-6c4f9d7b5-x2x9z")
    assert of_kind(render({**values, "keda": {}}), "ScaledObject") == []


def manifests(module: dict[str, Any]) -> list[dict[str, Any]]:
    metadata = {"name": "a", "namespace": "ocr"}
    spec = {"modules": [module]}
    return desired(parse({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}), Settings())


def test_each_alert_links_to_its_runbook(render: Render) -> None:
    (rules,) = of_kind(render(generate.CHART / "ci" / "gpu-values.yaml"), "PrometheusRule")
    page = (generate.ROOT / "docs" / "operations.md").read_text()
    anchors = {line.removeprefix("### ").lower() for line in page.splitlines() if line.startswith("### ")}
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert alerts
    for alert in alerts:
        assert alert["annotations"]["runbook_url"].partition("#")[2] in anchors, alert["alert"]
        assert alert["annotations"]["summary"]


def test_dashboards_and_alerts_ask_for_metrics_that_exist() -> None:
    state = SimpleNamespace(**dict.fromkeys((field.name for field in fields(PoolState)), 0) | {"pids": ()})
    served, operated = Metrics(), OperatorMetrics()
    served.watch(cast(Any, SimpleNamespace(state=lambda: state)))
    text = generate_latest(served.registry).decode() + operated.text().decode()
    families = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    known = {
        name + end for name, kind in families.items() for end in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))
    }
    for group in yaml.safe_load((generate.CHART / "files" / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert set(re.findall(r"\bocr_(?:serving|operator)_\w+", rule["expr"])) <= known, rule["alert"]
    for rule in custom_metrics()["rules"]:
        asked = set(re.findall(r"\bocr_serving_\w+", rule["seriesQuery"] + rule["metricsQuery"]))
        assert asked
        assert asked <= known
    for path in (generate.CHART / "files" / "dashboards").glob("*.json"):
        board = json.loads(path.read_text())
        asked = set(re.findall(r"\bocr_(?:serving|operator)_\w+", json.dumps([board["panels"], board["templating"]])))
        assert asked
        assert asked <= known, path.name


@pytest.mark.models
def test_helm_test_reads_its_picture(ocr_system_url: str, render: Render) -> None:
    (pod,) = of_kind(render(generate.CHART / "ci" / "cpu-values.yaml"), "Pod")
    container = pod["spec"]["containers"][0]
    command = [sys.executable, *container["command"][1:]]
    environment = {"PATH": os.environ["PATH"], **{item["name"]: item["value"] for item in container["env"]}, "TIMEOUT_S": "30"}
    done = subprocess.run([*command, ocr_system_url], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "INVOICE 2026-001" in done.stdout

    nowhere = ocr_system_url.replace("ocr_system", "ocr_systen")
    done = subprocess.run([*command, nowhere, ocr_system_url], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(rf"^FAIL  {nowhere}  .*111", done.stdout, re.MULTILINE)
    assert re.search(rf"^ok    {ocr_system_url}", done.stdout, re.MULTILINE)
