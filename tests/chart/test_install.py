"""The chart against a real API server: fresh, with upgrades, and with no more rights than its Roles give."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts.generate import CHART, ROOT

from helpers.control_plane import ControlPlane
from helpers.operator_process import OperatorProcess
from ocr_operator.api.spec import Settings, parse
from ocr_operator.desired.render import render as render_desired
from ocr_operator.names import CHILD_KINDS

Render = Callable[..., list[dict[str, Any]]]
Run = Callable[..., subprocess.CompletedProcess[str]]

CI = sorted((CHART / "ci").glob("*-values.yaml"))
ci = pytest.mark.parametrize("values", CI, ids=[path.name.removesuffix("-values.yaml") for path in CI])

CPU = {"modules": [{"name": "ocr_system", "device": "cpu", "replicas": 0}]}
CACHED: dict[str, Any] = {
    "modules": [{"name": "ocr_det", "device": "cpu", "models": {"cache": {"names": ["a"], "reclaim": "Delete"}}}]
}
WIDE = {
    "defaults": {
        "device": "cpu",
        "podDisruptionBudget": {"minAvailable": 1},
        "networkPolicy": {},
    },
    "modules": [
        {
            "name": "ocr_system",
            "autoscaling": {"maxReplicas": 2},
            "serviceMonitor": {"interval": "15s"},
            "ingress": {"host": "ocr.example.org", "allowFromNamespaces": ["ingress-nginx"]},
            "httpRoute": {"parentRefs": [{"name": "public"}], "allowFromNamespaces": ["gateways"]},
        },
        {"name": "ocr_det", "replicas": 0, "podMonitor": {}},
    ],
}


@pytest.fixture
def namespace(cluster: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace under the restricted Pod Security Standard."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[-50:].strip("-")
    cluster.kubectl("create", "namespace", name)
    standards = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    cluster.kubectl("label", "namespace", name, *standards)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def release(cluster: ControlPlane, namespace: str, helm: Run) -> Iterator[Run]:
    """`release("install", values)`: helm on release `ocr` without its hooks, which need a node. Removed afterwards, CRD and all."""

    def run(command: str, values: dict[str, Any] | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        options: list[str | Path] = ["--namespace", namespace, "--kubeconfig", cluster.kubeconfig, "--no-hooks"]
        chart: list[str | Path] = [] if values is None else [CHART, "--values", "-"]
        return helm(command, "ocr", *chart, *options, stdin=json.dumps(values), check=check)

    yield run
    run("uninstall", check=False)
    cluster.kubectl("delete", "crd", "ocrservices.ocr-serving.dev", "--ignore-not-found")


def as_account(cluster: ControlPlane, folder: Path, namespace: str, account: str) -> Path:
    """A kubeconfig of a ServiceAccount."""
    token = cluster.kubectl("create", "token", account, "--namespace", namespace).stdout.strip()
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = folder / f"{account}.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def found(cluster: ControlPlane, namespace: str, *arguments: str) -> list[dict[str, Any]]:
    """The objects that `kubectl get` lists."""
    return list((cluster.get(*arguments, "--namespace", namespace) or {"items": []})["items"])


@pytest.fixture
def apply(cluster: ControlPlane, namespace: str, helm: Run, tmp_path: Path) -> Callable[[], subprocess.CompletedProcess[str]]:
    """Does what the release's Job does, as the Job's ServiceAccount."""

    def run() -> subprocess.CompletedProcess[str]:
        hooks = helm("get", "hooks", "ocr", "--namespace", namespace, "--kubeconfig", cluster.kubeconfig).stdout
        (job,) = [item for item in yaml.safe_load_all(hooks) if item and item["kind"] == "Job"]
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(as_account(cluster, tmp_path, namespace, pod["serviceAccountName"])),
        }
        command = [sys.executable, "-W", "ignore", *container["command"][1:], *container["args"]]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=150)

    return run


@ci
def test_the_api_server_takes_every_object_and_restricted_every_pod(
    values: Path, cluster: ControlPlane, namespace: str, render: Render
) -> None:
    cluster.kubectl("apply", "--server-side", "-f", ROOT / "manifests" / "crd.yaml")
    cluster.wait_for_crds("ocrservices.ocr-serving.dev")
    objects = render(values, namespace)
    objects += [yaml.safe_load(item["data"]["ocrservice.yaml"]) for item in objects if "ocrservice.yaml" in item.get("data", {})]
    for item in objects:
        template = item.get("spec", {}).get("template")
        if item["kind"] in ("Deployment", "Job"):
            objects.append(
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "namespace": namespace}, "spec": template["spec"]}
            )
        if item["kind"] == "Pod":
            item["spec"].pop("serviceAccountName", None)  # there is none in a dry run, and admission looks for it
            item["spec"].setdefault("restartPolicy", "Always")
    stdin = "\n---\n".join(json.dumps(item) for item in objects)
    done = cluster.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", stdin=stdin)
    assert "Warning" not in done.stderr
    assert len(done.stdout.splitlines()) == len(objects)


def test_the_sample_for_keda_is_taken_and_scales_what_the_operator_makes(cluster: ControlPlane, namespace: str) -> None:
    samples = ROOT / "manifests" / "samples"
    body = yaml.safe_load((samples / "keda.yaml").read_text())
    made = render_desired(parse({**body, "metadata": {**body["metadata"], "namespace": namespace}}), Settings())
    scaled = yaml.safe_load((samples / "beside" / "keda-scaledobject.yaml").read_text())
    assert scaled["spec"]["scaleTargetRef"]["name"] in [item["metadata"]["name"] for item in made if item["kind"] == "Deployment"]
    cluster.kubectl("apply", "--dry-run=server", "-n", namespace, "-f", samples / "beside" / "keda-scaledobject.yaml")
    (monitor,) = [item for item in made if item["kind"] == "ServiceMonitor"]
    cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(monitor))
    monitor["spec"]["endpoints"][0]["intervall"] = "30s"
    refused = cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(monitor), check=False)
    assert "intervall" in refused.stderr


def test_one_install_on_a_fresh_cluster_and_nothing_left_but_the_definition(
    cluster: ControlPlane, namespace: str, release: Run, apply: Callable[[], subprocess.CompletedProcess[str]]
) -> None:
    cluster.kubectl("delete", "crd", "ocrservices.ocr-serving.dev", "--ignore-not-found")
    release("install", {"services": {"one": CPU | {"defaults": {"config": {"max_pixels": 50000000}}}, "two": CPU}})
    done = apply()
    assert (done.stdout, done.returncode) == ("applied OCRService one\napplied OCRService two\n", 0), done.stderr
    one = cluster.get("ocr", "one", "--namespace", namespace)
    assert one["spec"] == CPU | {"defaults": {"config": {"max_pixels": 50000000}}}
    assert one["metadata"]["generation"] == 1

    apply()
    assert cluster.get("ocr", "one", "--namespace", namespace)["metadata"]["resourceVersion"] == one["metadata"]["resourceVersion"]

    def names() -> set[str]:
        return {item["metadata"]["name"] for item in found(cluster, namespace, "ocr")}

    release("upgrade", {"services": {"two": {"modules": [{"name": "ocr_det", "device": "cpu", "replicas": 0}]}}})
    cluster.wait_for(lambda: names() == {"two"}, "the service that was taken out to go", 60)
    assert apply().returncode == 0
    assert cluster.get("ocr", "two", "--namespace", namespace)["spec"]["modules"][0]["name"] == "ocr_det"

    release("uninstall")
    cluster.wait_for(lambda: not names(), "the OCRServices to go")
    assert cluster.get("crd", "ocrservices.ocr-serving.dev") is not None
    kinds = "deployments,services,configmaps,secrets,serviceaccounts,roles,rolebindings,leases,jobs"
    assert {item["metadata"]["name"] for item in found(cluster, namespace, kinds)} <= {"default", "kube-root-ca.crt"}


def test_a_spec_that_the_api_server_refuses_is_told_in_its_words(
    cluster: ControlPlane, namespace: str, release: Run, apply: Callable[[], subprocess.CompletedProcess[str]]
) -> None:
    both = {"modules": [{"name": "ocr_system", "replicas": 1, "autoscaling": {"maxReplicas": 2}}]}
    release("install", {"services": {"bad": both, "good": CPU}})
    done = apply()
    assert done.returncode == 2
    assert re.search(r'^ocr-operator-service-bad: .*"bad" is invalid: spec\.modules\[0\].*: replicas and autoscaling', done.stdout)
    assert "applied OCRService good" in done.stdout
    assert "Traceback" not in done.stderr


def test_somebody_elses_service_is_left_alone(
    cluster: ControlPlane, namespace: str, release: Run, apply: Callable[[], subprocess.CompletedProcess[str]]
) -> None:
    release("install", {"services": {"mine": CPU}})
    theirs = {
        "apiVersion": "ocr-serving.dev/v1alpha1",
        "kind": "OCRService",
        "metadata": {"name": "mine", "namespace": namespace},
        "spec": {"modules": [{"name": "kie_ser", "device": "cpu", "replicas": 0}]},
    }
    cluster.wait_for_crds("ocrservices.ocr-serving.dev")
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(theirs))
    done = apply()
    assert done.returncode == 2
    assert f"the OCRService mine in namespace {namespace} was not made by this release: delete it" in done.stdout
    assert cluster.get("ocr", "mine", "--namespace", namespace)["spec"] == theirs["spec"]


def test_a_second_release_is_told_whose_the_definition_is(cluster: ControlPlane, namespace: str, release: Run, helm: Run) -> None:
    release("install", {})
    arguments = (
        "install",
        "other",
        CHART,
        "--namespace",
        namespace,
        "--kubeconfig",
        cluster.kubeconfig,
        "--no-hooks",
        "--dry-run=server",
    )
    done = helm(*arguments, "--dry-run=server", check=False)
    assert f"belongs to release ocr in namespace {namespace}: set crds.enabled to false to use it as it is" in done.stderr
    helm(*arguments, "--dry-run=server", "--set", "crds.enabled=false")


def test_the_notes_have_the_curl_of_each_module(cluster: ControlPlane, namespace: str, helm: Run) -> None:
    options = ("--namespace", namespace, "--kubeconfig", cluster.kubeconfig, "--dry-run=server", "--set", "crds.enabled=false")
    notes = helm("install", "ocr", CHART, *options, "--values", CHART / "ci" / "all-nine-values.yaml").stdout.partition("NOTES:")[2]
    for name, port in (("ocr_det", 8865), ("kie_ser_re", 8872)):
        host = name.replace("_", "-")
        assert f"http://all-{host}.{namespace}.svc:{port}/predict/{name} -d" in notes
        assert f"port-forward service/all-{host} {port}" in notes
    assert notes.count("    curl ") == 18


def test_the_roles_suffice_for_the_operator(
    cluster: ControlPlane,
    namespace: str,
    release: Run,
    apply: Callable[[], subprocess.CompletedProcess[str]],
    render: Render,
    tmp_path: Path,
) -> None:
    """The operator, with its ServiceAccount's token and its Deployment's flags, makes and removes every kind of child."""
    values = {"services": {"wide": WIDE, "cached": CACHED}}
    release("install", values)
    assert apply().returncode == 0
    (deployment,) = [item for item in render(values, namespace) if item["kind"] == "Deployment"]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    flags = [flag for flag in container["args"][1:] if not flag.startswith(("--http-port", "--log-format"))]
    limited = copy.copy(cluster)
    limited.operator_kubeconfig = as_account(
        cluster, tmp_path, namespace, deployment["spec"]["template"]["spec"]["serviceAccountName"]
    )
    operator = OperatorProcess(limited, tmp_path / "log", *flags)
    operator.start()
    try:
        kinds = ",".join(plural for _, _, plural in CHILD_KINDS)

        def made() -> list[str]:
            return [item["kind"] for item in found(cluster, namespace, kinds, "-l", "app.kubernetes.io/managed-by=ocr-operator")]

        # WIDE has two modules; CACHED has a policy for its Job, without which nothing else of it comes.
        of_both = ["ConfigMap", "Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget", "NetworkPolicy"]
        expected = sorted([kind for _, kind, _ in CHILD_KINDS] + of_both)
        cluster.wait_for(lambda: sorted(made()) == expected, "every kind of child")
        operator.wait_until_settled()
        status = cluster.get("ocr", "wide", "--namespace", namespace)["status"]
        assert status["ready"] == "1/2"
        assert found(cluster, namespace, "events", "--field-selector", "involvedObject.name=wide")

        release("upgrade", {"services": {"wide": CPU}})
        assert apply().returncode == 0
        cluster.wait_for(
            lambda: sorted(made()) == ["ConfigMap", "Deployment", "NetworkPolicy", "Service"], "what is no longer wanted to go"
        )
        assert cluster.get("lease", "ocr-operator", "--namespace", namespace)["spec"]["holderIdentity"] == "operator-0"
    finally:
        operator.end()
    assert "forbidden" not in operator.log.read_text().lower()
