"""What a pod reserves and may use where the OCRService does not say it, from figures of `make bench-sizing`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_operator.api.spec import ModuleSpec
from ocr_operator.names import CARRIED

MOST_MIB = {
    "ocr_det": 327,
    "ocr_cls": 131,
    "ocr_rec": 218,
    "ocr_system": 459,
    "structure_table": 543,
    "structure_system": 514,
    "structure_layout": 235,
    "kie_ser": 463,
    "kie_ser_re": 464,
}
"""Memory that one worker on the CPU, and all beside it in the pod, were seen to take at most while it read forms."""

STEP_MIB = 128
WORKER_MIB = 800
"""For a worker that reads ordinary pages (JOB_BYTES in ocr_serving.machine), with room to grow."""
BESIDE_MIB = 1024
"""For what decodes pages and holds bodies: page_memory_mb of config.json."""
WORKERS_AT_MOST = 4
"""What a pod's memory is for where nobody says how many. The service then starts as many as its limit holds in the worst case, with
the largest pages in all of them: one, as a rule, which has every idle core."""
GPU_MIB = 2048
"""Memory to reserve with a GPU. No limit: how much a driver takes differs from one to the next, and was not measured."""
SHARE = "100m"
"""CPU to reserve: a pod may use what is idle, and gets its share where nothing is."""
CORE = "1"
"""What an autoscaler measures a worker by, which takes a core while it reads."""


def worker_mib(served: Sequence[str]) -> int:
    """Memory of one worker for the modules `served`.

    A worker opens each network once, so a module whose networks another one has as well adds nothing; others add all of theirs but
    what the smallest module takes, which is mostly not its network.
    """
    alone = [name for name in served if not any(name in CARRIED.get(other, ()) and name != other for other in served)]
    least, most = min(MOST_MIB.values()), max(MOST_MIB.values())
    return sum(MOST_MIB.get(name, most) for name in alone) - least * (len(alone) - 1)


def default_resources(module: ModuleSpec) -> tuple[dict[str, str], dict[str, str]]:
    """Requests and limits of the module's container, by name of the resource."""
    autoscaling = module.fields.autoscaling
    cpu = CORE if autoscaling is not None and not autoscaling.external else SHARE
    if module.on_gpu:
        return {"cpu": cpu, "memory": f"{GPU_MIB}Mi"}, {}
    workers = module.fields.workers
    one = worker_mib(module.served)
    request = -(-one * (workers or 1) // STEP_MIB) * STEP_MIB
    limit = max(BESIDE_MIB + WORKER_MIB * (workers or WORKERS_AT_MOST), request)
    return {"cpu": cpu, "memory": f"{request}Mi"}, {"memory": f"{limit}Mi"}
