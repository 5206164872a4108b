"""What counts as a difference between what was rendered and what there is."""

from copy import deepcopy
from typing import Any

import pytest

from ocr_operator.observed.drift import differs

MANIFEST: dict[str, Any] = {
    "metadata": {"name": "a", "labels": {"app": "x"}},
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "server",
                        "image": "i:1",
                        "args": ["start", "-c"],
                        "env": [{"name": "A", "value": "1"}, {"name": "EMPTY", "value": ""}],
                        "resources": {"limits": {"cpu": "1000m", "memory": "1Gi", "nvidia.com/gpu": "1"}},
                    }
                ],
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            }
        },
    },
}


def _live() -> dict[str, Any]:
    """The same as the API server shows it: with defaults, fields of others, quantities in its own way, and nothing empty."""
    live = deepcopy(MANIFEST)
    live["metadata"] |= {"uid": "u", "resourceVersion": "7"}
    live["spec"]["revisionHistoryLimit"] = 10
    pod = live["spec"]["template"]["spec"]
    server = pod["containers"][0]
    server["resources"]["limits"]["cpu"] = "1"
    server["env"] = [{"name": "INJECTED", "value": "y"}, {"name": "A", "value": "1"}, {"name": "EMPTY"}]
    server["terminationMessagePath"] = "/dev/termination-log"
    pod["containers"] = [{"name": "sidecar", "image": "mesh"}, server]
    return live


def test_defaults_additions_of_others_and_other_spellings_are_no_difference() -> None:
    assert differs(MANIFEST, _live()) is None


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("metadata.labels.app", lambda live: live["metadata"].update(labels={})),
        ("spec.replicas", lambda live: live["spec"].update(replicas=0)),
        ("spec.template.spec.containers[server].image", lambda live: _server(live).update(image="i:2")),
        ("spec.template.spec.containers[server].args", lambda live: _server(live).update(args=["start"])),
        ("spec.template.spec.containers[server].args[1]", lambda live: _server(live).update(args=["start", "-d"])),
        ("spec.template.spec.containers[server].env[A].value", lambda live: _server(live)["env"][1].update(value="2")),
        ("spec.template.spec.containers[server].env[A]", lambda live: _server(live)["env"].pop(1)),
        ("spec.template.spec.containers[server].resources.limits.cpu", lambda live: _limits(live).update(cpu="2")),
        ("spec.template.spec.containers[server].resources.limits.nvidia.com/gpu", lambda live: _limits(live).pop("nvidia.com/gpu")),
        ("spec.template.spec.containers[server]", lambda live: live["spec"]["template"]["spec"]["containers"].pop(1)),
        ("spec.template.spec.tolerations", lambda live: live["spec"]["template"]["spec"].update(tolerations=[])),
        ("spec.template.spec.volumes[tmp]", lambda live: live["spec"]["template"]["spec"].update(volumes=[])),
    ],
)
def test_each_edit_is_found_and_named(path: str, change: Any) -> None:
    live = _live()
    change(live)
    assert differs(MANIFEST, live) == path


def test_numbers_that_are_no_quantities_are_compared_as_written() -> None:
    assert differs({"port": "1000m"}, {"port": "1"}) == "port"
    assert differs({"env": [{"name": "A", "value": "1000m"}]}, {"env": [{"name": "A", "value": "1"}]}) == "env[A].value"


def test_quantities_of_every_kind_are_compared_by_their_amount() -> None:
    assert differs({"resourceFieldRef": {"divisor": "1024Ki"}}, {"resourceFieldRef": {"divisor": "1Mi"}}) is None
    assert differs({"target": {"type": "Value", "value": "0.5"}}, {"target": {"type": "Value", "value": "500m"}}) is None
    assert differs({"emptyDir": {"sizeLimit": "1024Mi"}}, {"emptyDir": {"sizeLimit": "2Gi"}}) == "emptyDir.sizeLimit"


def _server(live: dict[str, Any]) -> dict[str, Any]:
    server: dict[str, Any] = live["spec"]["template"]["spec"]["containers"][1]
    return server


def _limits(live: dict[str, Any]) -> dict[str, Any]:
    limits: dict[str, Any] = _server(live)["resources"]["limits"]
    return limits
