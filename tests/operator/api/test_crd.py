"""The CustomResourceDefinition: what the API server, and `ocr-operator render`, refuse and how they say it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from helpers.api_client import Api
from helpers.bad_services import BAD, service
from helpers.control_plane import ControlPlane
from ocr_operator import names
from ocr_operator.api.crd import crd
from ocr_operator.api.merging import SpecError
from ocr_operator.api.spec import parse

COLLECTION = "/apis/ocr-serving.dev/v1alpha1/namespaces/default/ocrservices"
ROOT = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@pytest.fixture(scope="module")
def api(api_server: ControlPlane) -> Iterator[Api]:
    """An API server with the CustomResourceDefinition."""
    with contextlib.closing(Api(api_server)) as client:
        client.establish(crd())
        yield client
        api_server.kubectl("delete", names.PLURAL, "--all", "--namespace=default")  # the next tests want an empty namespace


@pytest.mark.parametrize(("body", "words", "_ours"), BAD.values(), ids=BAD.keys())
def test_api_server_refuses(api: Api, body: dict[str, Any], words: str, _ours: str | None) -> None:
    code, answer = api.request("POST", COLLECTION, body, dryRun="All", fieldValidation="Strict")
    assert code in (400, 422), answer
    assert words in answer["message"], answer["message"]


@pytest.mark.parametrize(("body", "words", "ours"), BAD.values(), ids=BAD.keys())
def test_parse_refuses_the_same(body: dict[str, Any], words: str, ours: str | None) -> None:
    with pytest.raises(SpecError) as caught:
        parse(body)
    sentence = str(caught.value)
    assert (ours or words) in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300
    assert sentence.endswith(".")


def test_enough_is_refused() -> None:
    assert len(BAD) >= 40


def test_every_field_is_described() -> None:
    def undescribed(node: dict[str, Any], path: str) -> Iterator[str]:
        for name, child in node.get("properties", {}).items():
            if "description" not in child and (path, name) != ("", "metadata"):  # where the API server forbids it
                yield f"{path}.{name}"
            yield from undescribed(child, f"{path}.{name}")
        if "items" in node:
            yield from undescribed(node["items"], f"{path}[]")

    assert list(undescribed(ROOT, "")) == []


def test_scale_columns_and_names() -> None:
    spec = crd()["spec"]
    version = spec["versions"][0]
    assert [column["name"] for column in version["additionalPrinterColumns"]] == ["Ready", "Modules", "Reason", "Message", "Age"]
    assert version["subresources"]["scale"]["specReplicasPath"] == ".spec.defaults.replicas"
    assert (spec["names"]["shortNames"], spec["names"]["categories"]) == (["ocr"], ["ocr-serving"])


def test_kubectl_explains_lists_and_scales(api: Api) -> None:
    explained = api.plane.kubectl("explain", "ocrservices.spec.modules.gpu.count")
    assert "0 sets no limit" in explained.stdout
    api.apply(service({"modules": [{"name": "ocr_det"}], "defaults": {"replicas": 1}}, "scaled"))
    api.plane.kubectl("scale", "ocr", "scaled", "--replicas=3")
    assert api.get(f"{COLLECTION}/scaled")["spec"]["defaults"]["replicas"] == 3
    listed = api.plane.kubectl("get", "ocr-serving", "--no-headers").stdout
    assert listed.startswith("scaled "), listed


def test_two_managers_own_a_module_each(api: Api) -> None:
    api.apply(service({"modules": [{"name": "ocr_det", "port": 9000}]}, "shared"), manager="one")
    api.apply(service({"modules": [{"name": "ocr_rec", "port": 9001}]}, "shared"), manager="two")
    modules = api.get(f"{COLLECTION}/shared")["spec"]["modules"]
    assert modules == [{"name": "ocr_det", "port": 9000}, {"name": "ocr_rec", "port": 9001}]
