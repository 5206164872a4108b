"""The operator as a process of its own, as it runs in a pod, against a control plane."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.control_plane import ControlPlane
from helpers.services import free_port


class OperatorProcess:
    """`ocr-operator run` with its log in `log`. Started by `start`, as often as it was ended."""

    def __init__(self, plane: ControlPlane, log: Path, *arguments: str, name: str = "operator-0") -> None:
        self._plane = plane
        self._name = name
        self.log = log
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def start(self) -> None:
        """Starts it; returns at once."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self._plane.operator_kubeconfig),
            "POD_NAME": self._name,
            "POD_NAMESPACE": "default",
        }
        with self.log.open("ab") as log:
            command = [
                sys.executable,
                "-m",
                "ocr_operator",
                "run",
                "--http-port",
                str(self.port),
                "--log-format",
                "text",
                *self._arguments,
            ]
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ends it by a signal and gives its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait(30)
        self._process = None
        return status

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stops it for the length of the block: nothing reaches it, and no timer of its own runs."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def ask(self, path: str) -> tuple[int, str]:
        """Status and text of its HTTP server's answer; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        _, text = self.ask("/metrics")
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))

    def wait_until_settled(self, seconds: float = 30) -> None:
        """Waits until it leads and nothing is queued or worked on, and stays so for a second."""
        deadline, quiet_since = time.monotonic() + seconds, 0.0
        turns = -1.0
        while time.monotonic() < deadline:
            assert self.is_running, f"the operator ended:\n{self.log.read_text()[-3000:]}"
            now_turns = self.metric("ocr_operator_reconcile_seconds_count")
            is_quiet = (
                self.metric("ocr_operator_leader") == 1 and self.metric("ocr_operator_queue_depth") == 0 and now_turns == turns
            )
            turns = now_turns
            if not is_quiet:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > 1:
                return
            time.sleep(0.1)
        raise AssertionError(f"the operator did not settle in {seconds} s:\n{self.log.read_text()[-3000:]}")

    def cpu_seconds(self) -> float:
        """CPU seconds that it has used, of user and system."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        """Resident memory now, MiB."""
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def peak_mib(self) -> float:
        """The most resident memory it ever had, MiB."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
