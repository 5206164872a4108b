"""kubectl for tests: a cluster, or a bare API server, as its administrator sees it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Kubectl:
    """The `program` kubectl with one kubeconfig."""

    def __init__(self, program: Path, kubeconfig: Path) -> None:
        self.program = program
        self.kubeconfig = kubeconfig

    def kubectl(
        self, *arguments: str | Path, stdin: str | bytes | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run it. Raises AssertionError with what it said where it fails and `check` is set."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [self.program, "--kubeconfig", self.kubeconfig, *arguments], input=data, capture_output=True, check=False
        )
        answer = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
        assert not check or answer.returncode == 0, f"kubectl {' '.join(map(str, arguments))}: {answer.stderr}"
        return answer

    def get(self, *arguments: str) -> Any:
        """`kubectl get … -o json`, parsed; None where there is no such object."""
        answer = self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
        return json.loads(answer.stdout) if answer.stdout else None

    def items(self, kinds: str, namespace: str, *arguments: str) -> list[dict[str, Any]]:
        """All objects of `kinds` (comma-separated) in a namespace."""
        found = self.get(kinds, "-n", namespace, *arguments)
        return [] if found is None else list(found["items"])

    def apply(self, *bodies: dict[str, Any]) -> None:
        """`kubectl apply` of objects."""
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(body) for body in bodies))

    def wait_for_crds(self, *names: str) -> None:
        """Wait until objects of these CustomResourceDefinitions are taken.

        Not by `kubectl wait`, which fails on one that has no status yet.
        """

        def are_established() -> bool:
            found = [self.get("crd", name) or {} for name in names]
            conditions = [body.get("status", {}).get("conditions") or () for body in found]
            return all(any(item["type"] == "Established" and item["status"] == "True" for item in each) for each in conditions)

        self.wait_for(are_established, f"{', '.join(names)} to be established", 60)

    def wait_for(self, condition: Callable[[], object], what: str | Callable[[], str], seconds: float = 30) -> None:
        """Wait until `condition` holds. Raises AssertionError with `what` was awaited where it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"gave up after {seconds:g} s waiting for {what() if callable(what) else what}")
            time.sleep(0.1)
