"""The cluster of the end-to-end tests: which one it is, how it is reached, and what it shows when something fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from e2e.images import CLUSTER_SCRIPTS, ROOT, Images
from helpers.api_client import SERVICE_MONITOR_CRD
from helpers.kubectl import Kubectl

CHART = ROOT / "charts" / "ocr-serving"
RELEASE = "ocr"
NAMESPACE = "ocr"
"""Where the release is. Namespaces of the tests' own are labelled with OURS."""
OURS = "ocr-serving.dev/e2e"
CRD = "ocrservices.ocr-serving.dev"
OPERATOR_USER = f"system:serviceaccount:{NAMESPACE}:{RELEASE}-operator"
Report = Callable[[str], None]
"""Takes a line to be shown at the end of the run."""
WRITES = {"create", "update", "patch", "delete", "deletecollection"}


class Lab(Kubectl):
    """A cluster. `kind` is "local" (tests/cluster, whose node can be entered), "kind", or "given" ($KUBECONFIG)."""

    def __init__(self, kind: str, program: Path, kubeconfig: Path, environment: Mapping[str, str]) -> None:
        super().__init__(program, kubeconfig)
        self.kind = kind
        self.environment = dict(environment)

    def helm(self, *arguments: str | Path, values: Mapping[str, Any] | None = None, check: bool = True) -> str:
        """What helm printed, pods' logs too, with `values` as JSON where given. Raises AssertionError with it where it fails."""
        command = ["helm", *arguments, *(("--values", "-") if values is not None else ())]
        done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False, env=self.environment)
        said = done.stdout + done.stderr
        assert not check or done.returncode == 0, f"helm {' '.join(map(str, arguments))}: {said}"
        return said

    def install(self, values: Mapping[str, Any], *arguments: str) -> str:
        """Install or upgrade the release, wait until it is ready, and give its notes."""
        self.make_namespace(NAMESPACE)
        command = ("upgrade", "--install", RELEASE, CHART, "--namespace", NAMESPACE, "--wait", "--timeout", "180s")
        return self.helm(*command, *arguments, values=values)

    def make_namespace(self, name: str) -> None:
        """A namespace of the tests, where pods have to keep to the restricted Pod Security Standard."""
        labels = {OURS: "true", "pod-security.kubernetes.io/enforce": "restricted"}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def on_node(self, *command: str, check: bool = True) -> str:
        """What a command printed on the node of a local cluster."""
        done = subprocess.run(
            [CLUSTER_SCRIPTS / "node-exec.sh", *command], capture_output=True, text=True, check=False, env=self.environment
        )
        assert not check or done.returncode == 0, f"on the node: {' '.join(command)}: {done.stderr}"
        return done.stdout

    def images_there(self) -> set[str]:
        """The images that the nodes have. A node tells of fifty; of a local one, all."""
        if self.kind == "local":
            return set(self._ctr("images", "list", "--quiet").split())
        nodes = self.get("nodes")["items"]
        return set.intersection(
            *({name for image in node["status"]["images"] for name in image.get("names") or ()} for node in nodes)
        )

    def forget_images(self, current: Images) -> None:
        """Remove from a local cluster, and from its builder, the images of earlier runs, a gigabyte each."""
        if self.kind != "local":
            return

        def stale(names: str) -> list[str]:
            return [name for name in names.split() if ":e2e-" in name and not any(tag in name for tag in current.tags)]

        buildah = [CLUSTER_SCRIPTS / "buildah.sh"]
        built = subprocess.run(
            [*buildah, "images", "--format", "{{.Name}}:{{.Tag}}"], capture_output=True, text=True, check=True, env=self.environment
        )
        if loaded := stale(self._ctr("images", "list", "--quiet")):
            self._ctr("images", "remove", *loaded)
        if old := stale(built.stdout):
            subprocess.run([*buildah, "rmi", *old], stdout=subprocess.DEVNULL, check=True, env=self.environment)

    def pid(self, pod: Mapping[str, Any]) -> str:
        """The first process of a pod's container on the node of a local cluster; empty where it has ended."""
        container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
        found = re.search(rf"^{container}\s+(\d+)\s+RUNNING", self._ctr("tasks", "list"), re.MULTILINE)
        return found[1] if found else ""

    def kill(self, pod: Mapping[str, Any]) -> None:
        """SIGKILL for that process. Raises AssertionError where it has ended."""
        pid = self.pid(pod)
        assert pid, f"{pod['metadata']['name']} has no process"
        self.on_node("kill", "-KILL", pid)

    def operator_pod(self) -> dict[str, Any]:
        """The operator's pod that is not on its way out; empty where there is none."""
        found = self.items("pods", NAMESPACE, "-l", "app.kubernetes.io/name=ocr-operator")
        return next((pod for pod in found if "deletionTimestamp" not in pod["metadata"]), {})

    def restarts(self, pod: Mapping[str, Any]) -> int:
        """How often the pod's container was started again."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        return int(self.get("pod", name, "-n", namespace)["status"]["containerStatuses"][0]["restartCount"])

    def restart_operator(self) -> None:
        """Replace the operator's pod, and wait until the new one is ready."""
        self.kubectl("delete", "pod", self.operator_pod()["metadata"]["name"], "-n", NAMESPACE)
        self.wait_for_operator()

    def wait_for_operator(self) -> None:
        """Until the operator's pod is ready."""
        self.kubectl("rollout", "status", f"deployment/{RELEASE}-operator", "-n", NAMESPACE, "--timeout=120s")

    def metric(self, name: str) -> float:
        """The sum of a metric of the operator over its labels; -1 where it does not answer."""
        pod = self.operator_pod()
        if not pod:
            return -1
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
        answer = self.kubectl("get", "--raw", path, check=False)
        values = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", answer.stdout, re.MULTILINE)
        return sum(map(float, values)) if answer.returncode == 0 else -1

    def wait_until_settled(self, seconds: float = 60) -> float:
        """Wait until the operator leads and has been idle for a second; how often it has looked at an object so far."""
        deadline, quiet_since, turns = time.monotonic() + seconds, 0.0, -1.0
        while time.monotonic() < deadline:
            now = self.metric("ocr_operator_reconcile_seconds_count")
            is_idle = self.metric("ocr_operator_leader") == 1 and self.metric("ocr_operator_queue_depth") == 0
            if not is_idle or now != turns:
                quiet_since, turns = time.monotonic(), now
            elif time.monotonic() - quiet_since > 1:
                return now
            time.sleep(0.1)
        raise AssertionError(f"the operator did not settle in {seconds:g} s")

    def writes(self, user: str = OPERATOR_USER) -> list[str]:
        """ "verb URI" of what `user` wrote, as a local cluster's audit log has it, but for leases and dry runs."""
        log = Path(self.environment["CLUSTER_DIR"]) / "logs" / "audit.log"
        events = [json.loads(line) for line in log.read_text().splitlines() if f'"username":"{user}"' in line]
        return [
            f"{event['verb']} {event['requestURI']}"
            for event in events
            if event["verb"] in WRITES
            and event.get("objectRef", {}).get("resource") != "leases"
            and "dryRun=" not in event["requestURI"]
        ]

    def pod_logs(self, namespace: str, pod: str, *options: str) -> str:
        """The pod's log."""
        return self.kubectl("logs", pod, "-n", namespace, *options, check=False).stdout

    def execute(self, namespace: str, pod: str, *command: str, stdin: bytes | None = None) -> str:
        """What a command printed in a pod. Raises AssertionError where it fails."""
        answer = self.kubectl("exec", "-i", pod, "-n", namespace, "--", *command, stdin=stdin or b"", check=False)
        assert answer.returncode == 0, f"{answer.stdout}{answer.stderr}"
        return answer.stdout

    def _ctr(self, *arguments: str) -> str:
        """What containerd of a local cluster says."""
        address = str(Path(self.environment["CLUSTER_DIR"]) / "run" / "containerd.sock")
        command = ["ctr", "--address", address, "--namespace", "k8s.io", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=self.environment).stdout

    def tell(self) -> str:
        """What helps to see why something failed: pods, OCRServices, what happened lately, the operator's log."""
        everywhere = ("--all-namespaces",)
        parts = {
            "pods": self.kubectl("get", "pods", *everywhere, "-o", "wide", check=False).stdout,
            "OCRServices": self.kubectl("get", "ocr", *everywhere, "-o", "wide", check=False).stdout,
            "events": "\n".join(
                self.kubectl("get", "events", *everywhere, "--sort-by=.lastTimestamp", check=False).stdout.splitlines()[-30:]
            ),
            "operator": self.pod_logs(NAMESPACE, f"deployment/{RELEASE}-operator", "--tail=30"),
        }
        return "\n".join(f"--- {name}\n{text.rstrip()}" for name, text in parts.items())

    def clean(self) -> None:
        """Remove all that these tests ever put into the cluster."""
        self.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait")
        self.kubectl("delete", "namespace", "-l", OURS, "--timeout=180s")
        self.kubectl("delete", "persistentvolume", "-l", OURS, "--timeout=60s")
        self.kubectl("delete", "crd", CRD, "--ignore-not-found", "--timeout=60s")
        self.kubectl("delete", "crd", "-l", OURS, "--timeout=60s")

    def is_ours(self) -> bool:
        """Whether nobody but these tests has put OCRServices into the cluster."""
        namespace = self.get("namespace", NAMESPACE)
        if namespace is None:
            return self.get("crd", CRD) is None
        return OURS in namespace["metadata"].get("labels", {})

    def learn_service_monitors(self) -> None:
        """Have the kind ServiceMonitor, of our own making where the cluster has none."""
        name = SERVICE_MONITOR_CRD["metadata"]["name"]
        if self.get("crd", name) is None:
            self.apply(SERVICE_MONITOR_CRD | {"metadata": {"name": name, "labels": {OURS: "true"}}})
        self.wait_for_crds(name)


def choose() -> tuple[Lab, bool]:
    """The cluster to use, and whether this call brought it up. Raises subprocess.CalledProcessError where none can be had."""
    outer = {**os.environ, "CLUSTER_DIR": str(_folder())}
    before = _is_up()
    lines = subprocess.run([CLUSTER_SCRIPTS / "use.sh"], stdout=subprocess.PIPE, text=True, check=True, env=outer).stdout
    exported = subprocess.run(["bash", "-c", f"{lines} env -0"], stdout=subprocess.PIPE, text=True, check=True, env=outer).stdout
    environment = dict(entry.split("=", 1) for entry in exported.split("\0") if entry)
    kind = environment["CLUSTER"]
    for name in ("kubectl", "helm"):
        assert shutil.which(name, path=environment["PATH"]), f"{name} is not on PATH: install it, or leave KUBECONFIG unset."
    program = Path(str(shutil.which("kubectl", path=environment["PATH"])))
    return Lab(kind, program, Path(environment["KUBECONFIG"]), environment), kind != "given" and not before


def take_down(lab: Lab) -> None:
    """End the cluster that `choose` brought up."""
    command: list[str | Path] = ["kind", "delete", "cluster", "--name", "ocr-serving"]
    subprocess.run([CLUSTER_SCRIPTS / "down.sh"] if lab.kind == "local" else command, check=True, env=lab.environment)


def _folder() -> Path:
    """Where tests/cluster keeps its cluster."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("CLUSTER_DIR") or cache / "ocr-serving" / "cluster").resolve()


def _is_up() -> bool:
    if subprocess.run([CLUSTER_SCRIPTS / "node-exec.sh", "true"], capture_output=True, check=False).returncode == 0:
        return True
    kind = shutil.which("kind")
    return kind is not None and "ocr-serving" in subprocess.run([kind, "get", "clusters"], capture_output=True, text=True).stdout


def ocrservice(namespace: str, name: str, *modules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """An OCRService as a user writes it."""
    return {
        "apiVersion": "ocr-serving.dev/v1alpha1",
        "kind": "OCRService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"modules": list(modules), **spec},
    }
