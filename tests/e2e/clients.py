"""A pod that asks services, as a user's own would."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e.lab import Lab
from ocr_serving import data

SCRIPTS = Path(__file__).parent / "in_pod"


@dataclass
class Outcome:
    """What load came to: `requests` in all, how often each text was read, and the failures; see in_pod/load.py."""

    requests: int = 0
    texts: dict[str, int] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def in_flight(self) -> list[str]:
        """Reasons why requests failed that a server had."""
        return [failure["reason"] for failure in self.failures if failure["sent"]]

    @property
    def unreached(self) -> list[str]:
        """Reasons why requests failed that reached no server."""
        return [failure["reason"] for failure in self.failures if not failure["sent"]]

    @property
    def seconds(self) -> float:
        """From the first failure to the last."""
        times = [failure["at"] for failure in self.failures]
        return max(times) - min(times) if times else 0.0


class Client:
    """A pod named `client` of a module's image, which does nothing by itself."""

    def __init__(self, lab: Lab, namespace: str, image: str) -> None:
        self._lab = lab
        self._namespace = namespace
        lab.apply(_pod(namespace, image))
        lab.kubectl("wait", "--for=condition=Ready", "pod/client", "-n", namespace, "--timeout=120s")

    def ask(self, url: str, picture: bytes) -> Any:
        """What a service answers to a picture."""
        return json.loads(self.run("ask.py", url, stdin=picture))

    def run(self, script: str, *arguments: str, stdin: bytes = b"") -> str:
        """What a script of in_pod prints."""
        return self._lab.execute(self._namespace, "client", "python", "-c", (SCRIPTS / script).read_text(), *arguments, stdin=stdin)

    def execute(self, *command: str, stdin: bytes = b"") -> str:
        """What a command prints in the pod."""
        return self._lab.execute(self._namespace, "client", *command, stdin=stdin)

    @contextmanager
    def load(self, url: str, clients: int = 4, *, kept: int = 0) -> Iterator[Outcome]:
        """Keeps `clients` asking while the block runs, `kept` of them on one connection each as long as the server lets them.

        What came of it is there after the block.
        """
        lab, outcome = self._lab, Outcome()
        script = (SCRIPTS / "load.py").read_text()
        command: list[str | Path] = [
            lab.program,
            "--kubeconfig",
            lab.kubeconfig,
            "exec",
            "-i",
            "client",
            "-n",
            self._namespace,
            "--",
        ]
        command += ["python", "-c", script, url, str(clients), str(kept)]
        # Over SPDY: kubectl gives up a WebSocket after a minute in which a busy machine answers no ping of it.
        env = {**os.environ, "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false"}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(base64.b64encode(data.WARMUP.read_bytes()).decode() + "\n")
                process.stdin.flush()
                assert process.stdout.readline() == "going on\n"
                yield outcome
                process.stdin.close()
                said = json.loads(process.stdout.read())
                outcome.requests, outcome.texts, outcome.failures = said["requests"], said["texts"], said["failures"]
            finally:
                process.kill()


def _pod(namespace: str, image: str) -> dict[str, Any]:
    unprivileged = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "client", "namespace": namespace},
        "spec": {
            "containers": [{"name": "client", "image": image, "command": ["sleep", "infinity"], "securityContext": unprivileged}],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
        },
    }
