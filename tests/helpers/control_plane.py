"""A Kubernetes API server for tests: etcd, kube-apiserver and a kube-controller-manager, with no node, on loopback.

It knows all that a cluster knows of objects — validation, server-side apply, Deployments with no pods, garbage collection — and
keeps an audit log, by which writes are counted. It starts in seconds; nothing of it outlives `stop`.
"""

import json
import os
import secrets
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from helpers.kubectl import Kubectl
from helpers.services import free_ports

ROOT = Path(__file__).parents[2]
CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "persistentvolumeclaim-protection-controller",  # without which no claim ever goes
    "disruption-controller",
    "horizontal-pod-autoscaler-controller",
)
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
OPERATOR = "the-operator"
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
- {level: None}
"""


def binaries() -> Path:
    """The folder with etcd, kube-apiserver, kubectl, helm …; built where it is missing, which takes about ten minutes."""
    given = os.environ.get("OCR_CLUSTER_BIN")
    if given:
        return Path(given)
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocr-serving" / "cluster" / "bin"
    subprocess.run([ROOT / "tests/cluster/build.sh"], check=True, stdout=subprocess.DEVNULL)
    return folder


class ControlPlane(Kubectl):
    """Processes in `folder`. `kubeconfig` is an administrator's, `operator_kubeconfig` that of the one whose writes are counted."""

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        super().__init__(bin_folder / "kubectl", folder / "admin.kubeconfig")
        self.folder = folder
        self.bin = bin_folder
        self.operator_kubeconfig = folder / "operator.kubeconfig"
        self._audit = folder / "audit.log"
        self._token = secrets.token_hex(16)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._api, self._etcd, self._peer = free_ports(3)

    @property
    def url(self) -> str:
        """Where the API server listens, with a certificate of its own making."""
        return f"https://127.0.0.1:{self._api}"

    def start(self) -> None:
        """Starts all and waits until the API answers. Raises RuntimeError with the end of a log where something gives up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "audit.yaml").write_text(AUDIT_POLICY)
        operator_token = secrets.token_hex(16)
        (self.folder / "tokens.csv").write_text(
            f'{self._token},admin,admin,"system:masters"\n{operator_token},{OPERATOR},{OPERATOR},"system:masters"\n'
        )
        self._write_kubeconfig(self.kubeconfig, self._token)
        self._write_kubeconfig(self.operator_kubeconfig, operator_token)
        key = self.folder / "service-account.key"
        subprocess.run(
            ["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", key], check=True, capture_output=True
        )
        self.start_etcd()
        self.start_api_server()
        self._start(
            "kube-controller-manager",
            *(f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", f"--controllers={','.join(CONTROLLERS)}"),
            *(f"--service-account-private-key-file={key}", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000"),
            "--concurrent-deployment-syncs=10",
        )
        self.wait_for(lambda: self.kubectl("get", "serviceaccount", "default", check=False).returncode == 0, "the controllers", 60)

    def start_etcd(self) -> None:
        """Starts etcd, also after `stop_etcd`; whoever needs it waits for it."""
        self._start(
            "etcd",
            *("--data-dir", self.folder / "etcd", "--unsafe-no-fsync", "--log-level", "error"),
            *(f"--listen-client-urls=http://127.0.0.1:{self._etcd}", f"--advertise-client-urls=http://127.0.0.1:{self._etcd}"),
            *(f"--listen-peer-urls=http://127.0.0.1:{self._peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{self._peer}"),
            f"--initial-cluster=default=http://127.0.0.1:{self._peer}",
        )

    def stop_etcd(self) -> None:
        """Ends etcd at once; what it has written stays."""
        self._stop("etcd")

    def wait_until_ready(self) -> None:
        """Waits until the API server answers and reaches etcd."""
        self.wait_for(self._answers, "the API server", 60)

    def start_api_server(self) -> None:
        """Starts the API server, also after `stop_api_server`, and waits until it is ready."""
        key = self.folder / "service-account.key"
        self._start(
            "kube-apiserver",
            *(f"--etcd-servers=http://127.0.0.1:{self._etcd}", "--bind-address=127.0.0.1", f"--secure-port={self._api}"),
            *(f"--cert-dir={self.folder / 'certs'}", f"--token-auth-file={self.folder / 'tokens.csv'}"),
            *("--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none"),
            *(f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"),
            "--service-account-issuer=https://kubernetes.default.svc",
            *(
                f"--audit-policy-file={self.folder / 'audit.yaml'}",
                f"--audit-log-path={self._audit}",
                "--audit-log-mode=blocking-strict",
            ),
            *("--max-requests-inflight=800", "--max-mutating-requests-inflight=400"),
        )
        self.wait_for(self._answers, "the API server", 60)

    def stop_api_server(self) -> None:
        """Ends the API server at once; etcd keeps what there is."""
        self._stop("kube-apiserver")

    def stop(self) -> None:
        """Ends all."""
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            self._stop(name)

    def writes(self, user: str = OPERATOR) -> list[dict[str, Any]]:
        """The audit log's events of what `user` wrote, but for leases and dry runs."""
        lines = self._audit.read_text().splitlines() if self._audit.exists() else []
        events = [json.loads(line) for line in lines]
        return [
            event
            for event in events
            if event["verb"] in WRITES
            and event["user"]["username"] == user
            and event.get("objectRef", {}).get("resource") != "leases"
            and "dryRun=" not in event["requestURI"]
        ]

    def wait_for(self, condition: Callable[[], object], what: str | Callable[[], str], seconds: float = 30) -> None:
        """Waits until `condition` holds. Raises RuntimeError with the end of a log where a process has ended, else as Kubectl's."""

        def holds() -> bool:
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} has ended:\n{self._log_end(name)}")
            return bool(condition())

        super().wait_for(holds, what, seconds)

    def _answers(self) -> bool:
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {self._token}"})
        context = ssl._create_unverified_context()
        try:
            with urllib.request.urlopen(request, context=context, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _start(self, name: str, *arguments: object) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [self.bin / name, *map(str, arguments)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def _stop(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait(30)

    def _log_end(self, name: str) -> str:
        return "\n".join((self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-10:])

    def _write_kubeconfig(self, path: Path, token: str) -> None:
        cluster = {"server": self.url, "insecure-skip-tls-verify": True}
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                    "clusters": [{"name": "test", "cluster": cluster}],
                    "users": [{"name": "test", "user": {"token": token}}],
                }
            )
        )
        path.chmod(0o600)


@contextmanager
def control_plane(folder: Path) -> Iterator[ControlPlane]:
    """A control plane that ends with the block, its data with it."""
    plane = ControlPlane(folder, binaries())
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
        shutil.rmtree(folder / "etcd", ignore_errors=True)
