"""What an OCRService may ask for is what whoever runs the operator allows."""

from __future__ import annotations

from typing import Any

import pytest

from ocr_operator.api.allowed import Allowed
from ocr_operator.api.spec import OCRService, Settings, SpecError, parse
from ocr_operator.cli import parser, run_options

OWN = Settings(registry="reg.example", repository="ocr")
STRICT = Allowed(volumes=("emptyDir",), service_accounts=("robot",), priority_classes=(), registries=("reg.example/ocr",))


def service(**fields: Any) -> OCRService:
    module = {"name": "ocr_system", "device": "cpu", **fields}
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
        ({"image": {"reference": "reg.example/ocr/../evil/x:1"}}, "--allow-registries"),
        ({"rollout": {"strategy": "Gated", "golden": {"image": "evil.example/forms:1"}}}, "--allow-registries"),
    ],
)
def test_each_list_is_kept_and_names_its_flag(fields: dict[str, Any], flag: str) -> None:
    with pytest.raises(SpecError, match=flag):
        STRICT.check(service(**fields), OWN)
    STRICT.check(service(volumes=[{"name": "v", "emptyDir": {}}], serviceAccountName="robot"), OWN)
    STRICT.check(service(image={"reference": "reg.example/ocr/ocr-system@sha256:0"}), OWN)


@pytest.mark.parametrize(
    "fields",
    [
        {"volumes": [{"name": "v", "secret": {"secretName": "admin"}}]},
        {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "admin"}}]}}]},
        {"volumes": [{"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "admin"}}}]},
        {"volumes": [{"name": "v", "cephfs": {"secretRef": {"name": "admin"}}}]},
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "admin", "key": "k"}}}]},
        {"envFrom": [{"secretRef": {"name": "admin"}}]},
        {"apiKeys": {"secretName": "admin"}},
        {"jobs": {"secretName": "admin"}},
    ],
)
def test_a_secret_is_refused_whatever_way_it_is_reached(fields: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"the Secret admin is not allowed here, where there may be ocr-\*.*--allow-secrets"):
        Allowed(volumes=("*",), secrets=("ocr-*",)).check(service(**fields), OWN)
    Allowed(volumes=("*",), secrets=("adm*",)).check(service(**fields), OWN)


def test_an_image_that_is_mounted_is_of_a_registry_that_is_allowed() -> None:
    def mounted(reference: str) -> OCRService:
        return service(volumes=[{"name": "v", "image": {"reference": reference}}])

    with pytest.raises(SpecError, match=r"the image evil\.example/x:1 is not allowed here.*--allow-registries"):
        Allowed().check(mounted("evil.example/x:1"), OWN)
    Allowed().check(mounted("reg.example/ocr/weights:1"), OWN)


@pytest.mark.parametrize(
    "name", ["container.apparmor.security.beta.kubernetes.io/server", "seccomp.security.alpha.kubernetes.io/pod"]
)
def test_pods_cannot_be_let_loose_by_an_annotation(name: str) -> None:
    with pytest.raises(SpecError, match=r"podAnnotations cannot set .*: pods stay confined"):
        Allowed(volumes=("*",), registries=("*",)).check(service(podAnnotations={name: "unconfined"}), OWN)


def test_by_default_only_what_stays_within_the_pods_is_allowed() -> None:
    Allowed().check(service(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]), OWN)
    for fields in (
        {"serviceAccountName": "default-admin"},
        {"priorityClassName": "system-node-critical"},
        {"image": {"registry": "evil.example"}},
        {"envFrom": [{"secretRef": {"name": "any"}}]},
    ):
        with pytest.raises(SpecError, match="where there may be"):
            Allowed().check(service(**fields), OWN)


def test_flags_make_the_lists() -> None:
    flags = ["--allow-volumes", "emptyDir,secret", "--allow-service-accounts", "", "--allow-registries", "a, b"]
    allowed = run_options(parser().parse_args(["run", "--namespace", "x", "--lease-namespace", "x", *flags]), {}).allowed
    assert (allowed.volumes, allowed.service_accounts, allowed.registries) == (("emptyDir", "secret"), (), ("a", "b"))
    assert allowed.priority_classes == ()
