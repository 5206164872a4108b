"""What pods reserve and may use where nobody says it."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_operator.api.spec import Settings, parse
from ocr_operator.desired import sizes
from ocr_operator.desired.render import render
from ocr_operator.names import PORTS
from ocr_serving import machine


def resources(**fields: Any) -> dict[str, Any]:
    spec = {"modules": [{"name": "ocr_system", "device": "cpu", **fields}]}
    body = {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": {"name": "a"}, "spec": spec}
    (found,) = [item for item in render(parse(body), Settings()) if item["kind"] == "Deployment"]
    return dict(found["spec"]["template"]["spec"]["containers"][0].get("resources", {}))


def mib(text: str) -> int:
    assert text.endswith("Mi")
    return int(text.removesuffix("Mi"))


@pytest.mark.parametrize("name", PORTS)
@pytest.mark.parametrize("workers", [None, 1, 3, 64])
def test_every_module_has_room_for_its_workers(name: str, workers: int | None) -> None:
    found = resources(name=name) if workers is None else resources(name=name, workers=workers)
    request, limit = mib(found["requests"]["memory"]), mib(found["limits"]["memory"])
    assert sizes.MOST_MIB[name] * (workers or 1) <= request <= limit
    # What the service itself plans with, under that limit, is no fewer than what was asked for.
    assert machine.worker_count(512, limit << 20) >= (workers or 1)


def test_a_service_without_a_number_of_workers_takes_a_few() -> None:
    limit = mib(resources()["limits"]["memory"])
    assert 4 <= machine.worker_count(512, limit << 20) <= 6


def test_what_is_said_of_one_resource_leaves_the_other_at_its_default() -> None:
    found = resources(resources={"limits": {"memory": "256Mi"}})
    assert found == {"requests": {"cpu": "100m"}, "limits": {"memory": "256Mi"}}


def test_nothing_is_asked_for_where_nothing_is_to_be() -> None:
    assert resources(resources={}) == {}


def test_an_autoscaler_has_a_core_to_measure_by() -> None:
    assert resources(autoscaling={"maxReplicas": 2})["requests"]["cpu"] == "1"
    assert resources(autoscaling={"external": True})["requests"]["cpu"] == "100m"
