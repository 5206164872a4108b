"""The modules of a worker share one copy of each network."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_serving import config
from ocr_serving.modules import loader
from ocr_serving.server.messages import WorkerSpec
from ocr_serving.server.worker import Worker


@pytest.mark.models
def test_all_modules_of_a_worker_load_each_network_once() -> None:
    modules = {name: {"params": {"model_set": "PP-OCRv6_tiny"}} for name in loader.builtin_names()}
    worker = Worker(WorkerSpec(config.build({"modules_info": modules}, {}, where="test")))
    one: dict[str, Any] = dict(worker.modules)
    assert len(one) == 9
    system = one["ocr_system"]
    for other in (one["structure_table"].ocr, one["structure_system"].tables.ocr, one["kie_ser"].ocr, one["kie_ser_re"].ser.ocr):
        assert other.recognizer.chosen.network.engine is system.recognizer.chosen.network.engine
        assert other.orienter.network.engine is system.orienter.network.engine
    assert one["structure_system"].tables.ocr.detector.network.engine is one["ocr_det"].detector.network.engine
    assert one["ocr_det"].detector.network.engine is system.detector.network.engine
    assert one["ocr_rec"].recognizer.chosen.network.engine is system.recognizer.chosen.network.engine
    assert one["structure_system"].layout.detector.engine is one["structure_layout"].detector.engine
    assert one["structure_system"].tables.structurer.engine is one["structure_table"].structurer.engine
    assert one["kie_ser_re"].ser.labeller.engine is one["kie_ser"].labeller.engine
