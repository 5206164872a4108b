"""What a pod reserves and may use where the OCRService does not say it, from figures of `make bench-sizing`. Pure."""

from __future__ import annotations

from ocr_operator.api.spec import ModuleSpec

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
"""What a service plans for each worker by itself (WORKER_BYTES in ocr_serving.machine)."""
BESIDE_MIB = 1024
"""For what decodes pages and holds bodies: page_memory_mb of config.json."""
WORKERS_AT_MOST = 4
"""Workers that a pod's memory is to carry where nobody says how many; a service starts no more than its limit carries."""
GPU_MIB = 2048
"""Memory to reserve with a GPU. No limit: how much a driver takes differs from one to the next, and was not measured."""
SHARE = "100m"
"""CPU to reserve: a pod may use what is idle, and gets its share where nothing is."""
CORE = "1"
"""What an autoscaler measures a worker by, which takes a core while it reads."""


def default_resources(module: ModuleSpec) -> tuple[dict[str, str], dict[str, str]]:
    """Requests and limits of the module's container, by name of the resource."""
    autoscaling = module.fields.autoscaling
    cpu = CORE if autoscaling is not None and not autoscaling.external else SHARE
    if module.on_gpu:
        return {"cpu": cpu, "memory": f"{GPU_MIB}Mi"}, {}
    workers = module.fields.workers
    one = MOST_MIB.get(module.name, max(MOST_MIB.values()))
    request = -(-one * (workers or 1) // STEP_MIB) * STEP_MIB
    limit = max(BESIDE_MIB + WORKER_MIB * (workers or WORKERS_AT_MOST), request)
    return {"cpu": cpu, "memory": f"{request}Mi"}, {"memory": f"{limit}Mi"}
