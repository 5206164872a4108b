"""What the operator writes down is what the services read: the operator imports nothing of them, so this holds the two together."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocr_operator.api.spec import ModuleSpec, Settings, parse
from ocr_operator.desired import pod
from ocr_operator.desired.render import config_text
from ocr_operator.names import PORTS
from ocr_serving import cli, config
from ocr_serving.modules import loader
from ocr_serving.server import plan


def module(**fields: Any) -> ModuleSpec:
    spec = {"modules": [{"name": "ocr_system", **fields}]}
    return parse({"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": {"name": "a"}, "spec": spec}).modules[
        0
    ]


def settings(**fields: Any) -> config.ServiceConfig:
    return config.build(json.loads(config_text(module(**fields))), {}, where="config.json")


def test_ports_are_those_of_the_modules() -> None:
    assert {name: loader.find(name).settings["port"] for name in loader.builtin_names()} == PORTS


def test_services_take_the_config() -> None:
    found = settings(device="cpu", params={"drop_score": 0.2}, config={"max_body_mb": 8, "http_status": "legacy"}, port=9000)
    assert (found.host, found.port, found.max_body_mb, found.use_gpu) == ("0.0.0.0", 9000, 8, False)
    assert found.modules_info["ocr_system"].params == {"drop_score": 0.2}


def test_the_time_to_finish_is_more_than_the_services_own() -> None:
    assert settings(device="cpu").timeout_s == pod.TIMEOUT_S


def test_workers_count() -> None:
    assert len(plan.environments(settings(device="cpu", workers=3), {}, cores=8, memory=None)) == 3
    assert len(plan.environments(settings(device="cpu"), {}, cores=2, memory=None)) == 2


@pytest.mark.parametrize(("gpu", "devices"), [({}, ["0"]), ({"count": 0}, ["0"]), ({"count": 3}, ["0", "1", "2"])])
def test_each_gpu_gets_a_worker(gpu: dict[str, Any], devices: list[str]) -> None:
    found = settings(gpu=gpu)
    assert found.use_gpu
    assert [env["CUDA_VISIBLE_DEVICES"] for env in plan.environments(found, {}, cores=2, memory=None)] == devices


def test_commands_are_those_of_the_command_line() -> None:
    download = {"download": [{"name": "m", "url": "https://x/m", "sha256": "0" * 64}]}
    spec = pod.template(module(models=download), Settings(), config_hash="0")["spec"]
    started = cli.parser().parse_args(spec["containers"][0]["args"])
    assert started.config == "/etc/ocr-serving/config.json"
    pulled = cli.parser().parse_args(spec["initContainers"][0]["args"])
    assert (pulled.url, pulled.sha256, pulled.name) == ("https://x/m", "0" * 64, "m")
