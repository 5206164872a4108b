"""One Deployment that serves several modules: its image, its config, its address, and what it reserves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocr_operator.api.merging import SpecError
from ocr_operator.api.spec import ModuleSpec, Settings, image_of, parse
from ocr_operator.desired.egress import egress
from ocr_operator.desired.render import config_text, render
from ocr_operator.desired.sizes import MOST_MIB, default_resources, worker_mib
from ocr_operator.names import CARRIED, PORTS
from ocr_operator.observed.status import Findings, status_of
from ocr_serving import config
from ocr_serving.modules import loader

BOTH = ["ocr_system", "structure_table"]


def body(**fields: Any) -> dict[str, Any]:
    module = {"name": "desk", "module": BOTH, "device": "cpu", **fields}
    metadata = {"name": "office", "namespace": "docs"}
    return {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": metadata, "spec": {"modules": [module]}}


def desk(**fields: Any) -> ModuleSpec:
    return parse(body(**fields)).modules[0]


def test_it_is_one_of_each_child() -> None:
    found = render(parse(body()), Settings(tag="1"))
    assert [(item["kind"], item["metadata"]["name"]) for item in found] == [
        (kind, "office-desk") for kind in ("ConfigMap", "Deployment", "Service", "NetworkPolicy")
    ]
    (container,) = found[1]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "docker.io/ocr-serving/structure-table:1-cpu"
    assert found[2]["spec"]["ports"][0]["port"] == 8868, "that of the first"


def test_an_image_carries_the_weights_of_what_it_is_said_to() -> None:
    weights = {name: set(loader.weights(loader.find(name))) for name in loader.builtin_names()}
    carried = {image: {name for name in weights if weights[name] <= there} for image, there in weights.items()}
    assert {image: set(names) for image, names in CARRIED.items()} == carried


@pytest.mark.parametrize(
    ("served", "image"),
    [
        (["ocr_det", "ocr_rec"], "ocr_system"),
        (["structure_layout"], "structure_layout"),
        (["structure_layout", "ocr_det"], "structure_system"),
        (["kie_ser", "ocr_system"], "kie_ser"),
        (["kie_ser", "structure_table"], ""),
        (["letter_head"], ""),
    ],
)
def test_the_smallest_image_that_has_all_is_taken(served: list[str], image: str) -> None:
    assert image_of(served) == image


def test_services_take_the_config_and_each_module_its_own_params() -> None:
    asked = {"drop_score": 0.6, "structure_table": {"table_max_len": 300}}
    found = config.build(json.loads(config_text(desk(params=asked))), {}, where="config.json")
    assert {name: entry.params for name, entry in found.modules_info.items()} == {
        "ocr_system": {"drop_score": 0.6},
        "structure_table": {"drop_score": 0.6, "table_max_len": 300},
    }
    assert {entry.init_args["use_gpu"] for entry in found.modules_info.values()} == {False}


def test_weights_that_one_of_them_names_open_the_way_to_them() -> None:
    assert egress(desk()) == []
    assert egress(desk(params={"structure_table": {"table_model_dir": "SLANet"}})) != []


def test_networks_that_another_one_has_too_are_reserved_once() -> None:
    assert worker_mib(BOTH) == MOST_MIB["structure_table"]
    assert worker_mib(["structure_layout", "structure_table"]) == 235 + 543 - 131
    assert {name: worker_mib([name]) for name in PORTS} == MOST_MIB
    assert default_resources(desk(workers=2))[0]["memory"] == "1152Mi"


def test_the_status_has_where_each_of_them_answers() -> None:
    asked = body(ingress={"host": "ocr.example.org"})
    (told,) = status_of(asked, parse(asked), {}, Findings(), Settings(), "now")["modules"]
    inside, outside = "http://office-desk.docs.svc:8868/predict/", "http://ocr.example.org/predict/"
    assert (told["name"], told["url"]) == ("desk", f"{inside}ocr_system")
    assert told["urls"] == [f"{inside}{name}" for name in BOTH]
    assert told["outside"] == [f"{outside}{name}" for name in BOTH]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"module": ["kie_ser", "structure_table"]},
            "no image of the nine has the weights of kie_ser, structure_table: give image.ref",
        ),
        ({"module": ["ocr_systm"]}, r"spec.modules\[0\].module\[0\]: there is no module ocr_systm: did you mean ocr_system"),
        ({"params": {"structure_table": 1}}, "params.structure_table: has to be a map"),
        ({"rollout": {"strategy": "Gated", "golden": {"configMap": "g"}}}, "rollout: measures pods of one module"),
    ],
)
def test_what_its_pods_could_not_do_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        parse(body(**fields))


def test_an_image_of_ones_own_may_serve_any() -> None:
    asked = desk(module=["kie_ser", "structure_table", "letter_head"], image={"reference": "r/all:1"})
    assert asked.image_reference(Settings()) == "r/all:1"
