"""Whatever users write that the schema allows: it settles, stays, can be taken back, and survives a fault at any call.

Services are drawn with seeds from the schema itself, so that a field that comes later is drawn too.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import yaml

from helpers import drawn_specs
from helpers.lab import Lab
from ocr_operator.api.spec import Settings, parse
from ocr_operator.desired.render import render
from ocr_operator.kube import UnreachableError
from ocr_operator.observed.cache import Owner, Ref

OWNER = Owner("ns", "drawn")


def lab(*specs: dict[str, Any]) -> Lab:
    """Where the user asked for one spec after the other, each time once all had settled."""
    made = Lab(OWNER)
    for spec in specs:
        made.ask(spec)
        made.settle()
    return made


def test_five_hundred_services_are_rendered_the_same_each_time_and_by_any_way_to_write_them() -> None:
    params = 0
    for spec in drawn_specs.specs(500, seed=1):
        body = drawn_specs.body(spec)
        rendered = render(parse(body), Settings())
        assert rendered == render(parse(body), Settings())
        by_json = json.loads(json.dumps(body))
        by_yaml = yaml.safe_load(yaml.safe_dump(body, allow_unicode=True))
        assert rendered == render(parse(by_json), Settings()) == render(parse(by_yaml), Settings())
        for module in parse(body).modules:
            if module.serves:
                continue  # params of several modules are each one's own: tests/operator/desired/test_together.py
            (config,) = [item for item in rendered if item["kind"] == "ConfigMap" and item["metadata"]["name"] == module.child_name]
            written = json.loads(config["data"]["config.json"])["modules_info"][module.name].get("params", {})
            given = next(item.get("params", {}) for item in spec["modules"] if item["name"] == module.name)
            # Not `==`, to which 1 is 1.0 and True.
            assert {key: json.dumps(written[key]) for key in given} == {key: json.dumps(value) for key, value in given.items()}
            params += bool(given)
    assert params > 50


@pytest.mark.parametrize("seed", range(10))
def test_what_is_asked_for_settles_and_costs_nothing_afterwards_also_after_a_restart(seed: int) -> None:
    for spec in drawn_specs.specs(6, seed):
        there = lab(spec)
        assert there.condition("Ready")["status"] == "True"
        there.restart()
        there.kube.events.clear()
        there.turn()
        assert (there.kube.writes, there.kube.events) == ([], [])


@pytest.mark.parametrize("seed", range(10))
def test_what_is_asked_for_and_taken_back_leaves_what_was(seed: int) -> None:
    first, second, third, fourth = drawn_specs.specs(4, 100 + seed)
    assert lab(first, second, first).children == lab(first).children
    there = lab(third)
    there.ask({"modules": [{"name": "ocr_system", "replica": 2}]})
    before = there.children
    there.settle()
    assert there.children == before
    there.ask(fourth)
    there.settle()
    assert there.children == lab(third, fourth).children


@pytest.mark.parametrize("seed", range(24))
def test_a_fault_at_any_call_before_or_after_it_was_done_ends_where_none_would_have(seed: int) -> None:
    dice = random.Random(seed)
    first, second = drawn_specs.specs(2, 200 + seed)
    there, whole = lab(first), lab(first, second)
    failing = {1, *(dice.randrange(2, 25) for _ in range(4))}
    calls = 0

    def fail(_verb: str, _ref: Ref) -> None:
        nonlocal calls
        calls += 1
        if calls in failing:
            raise UnreachableError("cut off")

    if seed % 2:
        there.kube.fault = fail
    else:
        there.kube.fault_after = fail
    there.ask(second)
    there.settle_through_faults()
    assert calls
    assert there.children == whole.children
    assert there.condition("Ready")["status"] == "True"
