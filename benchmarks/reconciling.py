"""How the operator bears a thousand OCRServices: `python -m benchmarks.reconciling [--services 1000] [--pods 5000]`.

On a real API server with the controllers that need no node, each service has one module with no pods. Measured: seconds from the
first `kubectl apply` to the last Ready, held against what kubectl alone takes; writes a service, from the API server's audit
log; the operator's memory. Then the operator is restarted: seconds until it has looked at all and is settled, and its writes. Then
memory once some services have thousands of pods, also of an operator that starts with them.

A write for each object of a service, of which there are four, and one for its status is the least there can be.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from benchmarks.library import report
from helpers.control_plane import ControlPlane, control_plane
from helpers.operator_process import OperatorProcess

MOST_RATIO, MOST_WRITES, MOST_MIB, MOST_RESTART_S, MOST_MIB_WITH_PODS = 1.3, 5.1, 120, 15, 250
PODS_EACH = 500


def services(count: int, prefix: str = "s", replicas: int = 0) -> str:
    """A List of OCRServices as JSON, of one module each."""
    items = [
        {
            "apiVersion": "ocr-serving.dev/v1alpha1",
            "kind": "OCRService",
            "metadata": {"name": f"{prefix}{number:04}", "namespace": "default"},
            "spec": {"modules": [{"name": "ocr_system", "device": "cpu", "replicas": replicas}]},
        }
        for number in range(count)
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def wait_with_bar(what: str, count: int, done: Callable[[], int], seconds: float) -> None:
    """Shows how many are done until all are. Raises RuntimeError where that takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    with tqdm(total=count, desc=what, unit="service") as bar:
        while bar.n < count:
            bar.update(done() - bar.n)
            if time.monotonic() > deadline:
                raise RuntimeError(f"gave up after {seconds:.0f} s: {bar.n} of {count} {what}")
            time.sleep(0.5)


def main() -> int:
    """Prints the table; 1 where a figure is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=5000)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ocr-operator-bench-"))
    with control_plane(folder / "plane") as plane:
        rows = measure(plane, args.services, args.pods, folder / "operator.log")
    print(report.markdown_table(["figure", "measured", "at most", ""], rows))
    return 0 if all(row[-1] == "reached" for row in rows) else 1


def measure(plane: ControlPlane, count: int, pods: int, log: Path) -> list[list[str]]:
    """Rows of the table."""
    from ocr_operator.api.crd import crd

    plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(crd()))
    plane.wait_for_crds("ocrservices.ocr-serving.dev")
    operator = OperatorProcess(plane, log, "--namespace", "default", "--no-leader-election")
    operator.start()
    operator.wait_until_settled()

    def ready() -> int:
        return int(operator.metric('ocr_operator_services{state="ready"}'))

    manifests = services(count)
    cpu_before = operator.cpu_seconds()
    began = time.monotonic()
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=manifests)
    applied = time.monotonic() - began
    wait_with_bar("ready", count, ready, 300)
    seconds = time.monotonic() - began
    operator.wait_until_settled(60)
    writes = plane.writes()
    mib, cpu = operator.peak_mib(), operator.cpu_seconds() - cpu_before
    per_kind = Counter(f"{event['verb']} {_resource(event)}" for event in writes)
    operator.end()

    before = len(writes)
    began = time.monotonic()
    operator.start()
    wait_with_bar("looked at again", count, lambda: min(count, int(operator.metric("ocr_operator_reconcile_seconds_count"))), 120)
    operator.wait_until_settled(60)
    restart = time.monotonic() - began - 1  # the second of quiet by which it is told to be settled
    again = len(plane.writes()) - before
    mib = max(mib, operator.peak_mib())

    plane.kubectl("apply", "--server-side", "-f", "-", stdin=services(pods // PODS_EACH, "p", PODS_EACH))
    wait_with_bar("pods made", pods // PODS_EACH * PODS_EACH, lambda: _pods(plane), 300)
    operator.wait_until_settled(120)
    with_pods = operator.peak_mib()
    operator.end()
    operator.start()
    operator.wait_until_settled(120)
    with_pods = max(with_pods, operator.peak_mib())
    operator.end()
    print(f"\nkubectl apply itself took {applied:.1f} s, all {seconds:.1f} s; the operator's CPU {cpu:.1f} s.", file=sys.stderr)
    print(f"Writes: {dict(sorted(per_kind.items()))}\n", file=sys.stderr)
    figures = [
        (f"apply to {count} Ready, times what kubectl takes", seconds / applied, MOST_RATIO),
        ("writes a service", before / count, MOST_WRITES),
        ("operator's memory at most, MiB", mib, MOST_MIB),
        ("restart to settled, s", restart, MOST_RESTART_S),
        ("writes after the restart", again, 0),
        (f"memory at most with {pods} pods, MiB", with_pods, MOST_MIB_WITH_PODS),
    ]
    return [[name, f"{value:.4g}", f"{most}", "reached" if value <= most else "not reached"] for name, value, most in figures]


def _pods(plane: ControlPlane) -> int:
    counts = plane.kubectl("get", "deployments", "-n", "default", "-o", "jsonpath={.items[*].status.replicas}").stdout
    return sum(map(int, counts.split()))


def _resource(event: dict[str, dict[str, str]]) -> str:
    reference = event["objectRef"]
    return "/".join(part for part in (reference["resource"], reference.get("subresource", "")) if part)


if __name__ == "__main__":
    sys.exit(main())
