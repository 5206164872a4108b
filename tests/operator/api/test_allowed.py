"""What an OCRService may ask for is what whoever runs the operator allows."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_operator.api.allowed import Allowed
from ocr_operator.api.spec import OCRService, Settings, SpecError, parse
from ocr_operator.cli import parser, run_options

STRICT = Allowed(volumes=("emptyDir",), service_accounts=("robot",), priority_classes=(), registries=("reg.example/ocr",))


def service(**fields: Any) -> OCRService:
    module = {"name": "ocr_system", "device": "cpu", "image": {"registry": "reg.example", "repository": "ocr"}, **fields}
    spec = {"modules": [module]}
    return parse({"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": {"name": "a"}, "spec": spec})


@pytest.mark.parametrize("kind", ["hostPath", "projected", "nfs", "csi"])
def test_volumes_that_reach_beyond_the_pod_are_refused_unless_allowed(kind: str) -> None:
    asked = service(volumes=[{"name": "v", kind: {"path": "/"}}])
    with pytest.raises(SpecError, match=f"a volume of kind {kind} is not allowed here.*--allow-volumes"):
        Allowed().check(asked, Settings())
    Allowed(volumes=(kind,)).check(asked, Settings())
    Allowed(volumes=("*",)).check(asked, Settings())


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "--allow-volumes"),
        ({"serviceAccountName": "admin"}, "--allow-service-accounts"),
        ({"priorityClassName": "system-node-critical"}, "--allow-priority-classes"),
        ({"image": {"reference": "evil.example/miner:1"}}, "--allow-registries"),
        ({"image": {"reference": "reg.example/ocr-evil/x:1"}}, "--allow-registries"),
    ],
)
def test_each_list_is_kept_and_names_its_flag(fields: dict[str, Any], flag: str) -> None:
    with pytest.raises(SpecError, match=flag):
        STRICT.check(service(**fields), Settings())
    STRICT.check(service(volumes=[{"name": "v", "emptyDir": {}}], serviceAccountName="robot"), Settings())


def test_flags_make_the_lists() -> None:
    flags = ["--allow-volumes", "emptyDir,secret", "--allow-service-accounts", "", "--allow-registries", "a, b"]
    allowed = run_options(parser().parse_args(["run", "--namespace", "x", "--lease-namespace", "x", *flags]), {}).allowed
    assert (allowed.volumes, allowed.service_accounts, allowed.registries) == (("emptyDir", "secret"), (), ("a", "b"))
    assert allowed.priority_classes == ("*",)
