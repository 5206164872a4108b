"""A cache of models: one claim and one Job for all modules, what it fetches, and what pods make of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ocr_operator.api.allowed import Allowed
from ocr_operator.api.merging import SpecError
from ocr_operator.api.spec import Settings, parse
from ocr_operator.desired.render import render

SHA = "0" * 64
SETTINGS = Settings("r", "ocr", "1.0")
JSON = dict[str, Any]


def body(*modules: JSON, name: str = "a", **spec: Any) -> JSON:
    metadata = {"name": name, "namespace": "docs", "uid": "u-1"}
    modules = modules or ({"name": "ocr_system"},)
    return {
        "apiVersion": "ocr-serving.dev/v1alpha1",
        "kind": "OCRService",
        "metadata": metadata,
        "spec": {**spec, "modules": [{"device": "cpu", **module} for module in modules]},
    }


def rendered(*modules: JSON, **spec: Any) -> dict[str, JSON]:
    """By "Kind/name", without the hash at the end of the Job's name and of its policy's."""
    found = render(parse(body(*modules, **spec)), SETTINGS)
    return {f"{item['kind']}/{re.sub('--models-.*', '--models', item['metadata']['name'])}": item for item in found}


def cached(cache: JSON | None = None, **fields: Any) -> JSON:
    return {"models": {"cache": cache or {}}, "params": {"model_set": "PP-OCRv6_tiny"}, **fields}


def init(item: JSON) -> JSON:
    return dict(item["spec"]["template"]["spec"]["initContainers"][0])


def test_modules_share_one_claim_that_one_job_fills_and_their_pods_only_read() -> None:
    download = {"name": "stamps", "url": "https://example.org/stamps.tar", "sha256": SHA}
    found = rendered(
        {"name": "ocr_system", "params": {"rec_model_dir": "stamps", "det_model_dir": "./mine", "lang": "latin"}},
        {"name": "structure_table", "params": {"model_set": "PP-OCRv6_medium", "lang": "auto"}},
        defaults={"models": {"cache": {"size": "2Gi", "download": [download]}}},
    )
    assert [key for key in found if "--models" in key] == [
        "PersistentVolumeClaim/a--models",
        "NetworkPolicy/a--models",
        "Job/a--models",
    ]
    claim, job = found["PersistentVolumeClaim/a--models"], found["Job/a--models"]
    assert claim["spec"] == {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "2Gi"}}}
    assert "ownerReferences" not in claim["metadata"]  # it outlives the OCRService
    assert job["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    container = job["spec"]["template"]["spec"]["containers"][0]
    url = f"url={download['url']},sha256={SHA},name=stamps"
    assert container["args"] == ["models", "pull", "latin", url, "PP-OCRv6_medium"]
    assert {item["name"]: item["value"] for item in container["env"]} == {"OCR_SERVING_MODELS": "/models"}
    assert job["spec"]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "a--models"}
    assert "readOnly" not in container["volumeMounts"][0]
    for name, weights in (("a-ocr-system", ["latin", url]), ("a-structure-table", ["PP-OCRv6_medium", url])):
        pod = found[f"Deployment/{name}"]["spec"]["template"]["spec"]
        check = init(found[f"Deployment/{name}"])
        assert check["args"] == ["models", "verify", *weights]
        assert {item["name"]: item["value"] for item in check["env"]} == {"OCR_SERVING_MODELS": "/models"}
        for at in (check, pod["containers"][0]):
            mount = next(item for item in at["volumeMounts"] if item["mountPath"] == "/models")
            assert mount == {"name": "models", "mountPath": "/models", "readOnly": True}
        assert "egress" not in found[f"NetworkPolicy/{name}"]["spec"]  # the Job alone fetches


def test_the_job_connects_to_where_weights_come_from_and_nobody_to_it() -> None:
    download = {"name": "m", "url": "http://10.1.2.3:9000/m.tar", "sha256": SHA}
    policy = rendered(cached({"download": [download]}, name="ocr_system", params={}))["NetworkPolicy/a--models"]["spec"]
    rule = {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"port": 9000, "protocol": "TCP"}]}
    assert (policy["policyTypes"], policy["egress"]) == (["Ingress", "Egress"], [rule])
    labels = rendered(cached(name="ocr_system"))["Job/a--models"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    env = [{"name": "https_proxy", "value": "http://proxy:3128"}]
    ports = rendered(cached(name="ocr_system", env=env))["NetworkPolicy/a--models"]["spec"]["egress"][0]["ports"]
    assert [item["port"] for item in ports] == [53, 53, 443, 3128]
    own = [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]
    assert rendered(cached(name="ocr_system", egress=own))["NetworkPolicy/a--models"]["spec"]["egress"] == own


def test_another_list_or_another_image_is_another_job() -> None:
    def name(tag: str = "1", **fields: Any) -> str:
        found = render(parse(body(cached(name="ocr_system", **fields))), Settings(tag=tag))
        return next(str(item["metadata"]["name"]) for item in found if item["kind"] == "Job")

    first = name()
    assert first == name(replicas=3) == name(workers=2)
    assert len({first, name("2"), name(params={"model_set": "PP-OCRv6_medium"}), name(env=[{"name": "A", "value": "1"}])}) == 4


def test_a_claim_of_ones_own_is_used_and_not_made() -> None:
    found = rendered(cached({"claimName": "weights", "path": "store"}, name="ocr_system"))
    assert not [key for key in found if key.startswith("PersistentVolumeClaim")]
    job = found["Job/a--models"]["spec"]["template"]["spec"]
    assert job["volumes"][0]["persistentVolumeClaim"] == {"claimName": "weights"}
    assert job["containers"][0]["volumeMounts"][0]["subPath"] == "store"
    mount = next(item for item in init(found["Deployment/a-ocr-system"])["volumeMounts"] if item["name"] == "models")
    assert mount == {"name": "models", "mountPath": "/models", "subPath": "store", "readOnly": True}


def test_a_folder_of_the_node_is_filled_by_the_first_pod_there() -> None:
    asked = body(cached({"nodePath": "/var/lib/ocr-models"}, name="ocr_system"))
    found = {item["kind"]: item for item in render(parse(asked), SETTINGS)}
    assert not {"Job", "PersistentVolumeClaim"} & set(found)
    volumes = {item["name"]: item for item in found["Deployment"]["spec"]["template"]["spec"]["volumes"]}
    assert volumes["models"]["hostPath"] == {"path": "/var/lib/ocr-models", "type": "DirectoryOrCreate"}
    pull, server = init(found["Deployment"]), found["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert pull["args"] == ["models", "pull", "PP-OCRv6_tiny"]
    assert {
        at["name"]: mount.get("readOnly", False)
        for at in (pull, server)
        for mount in at["volumeMounts"]
        if mount["name"] == "models"
    } == {
        "models": False,
        "server": True,
    }
    assert [item["port"] for item in found["NetworkPolicy"]["spec"]["egress"][0]["ports"]] == [53, 53, 443]
    with pytest.raises(SpecError, match=r"a volume of kind hostPath is not allowed here.*--allow-volumes"):
        Allowed().check(parse(asked), SETTINGS)
    Allowed(volumes=("hostPath",)).check(parse(asked), SETTINGS)


def test_told_to_delete_the_claim_goes_with_the_service() -> None:
    asked = {"reclaim": "Delete", "storageClassName": "fast", "accessMode": "ReadWriteOnce"}
    claim = rendered(cached(asked, name="ocr_system"))["PersistentVolumeClaim/a--models"]
    assert claim["metadata"]["ownerReferences"][0]["name"] == "a"
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


@pytest.mark.parametrize(
    ("modules", "spec", "words"),
    [
        ([cached({"size": "1Gi"}, name="ocr_det"), cached({"size": "2Gi"}, name="ocr_rec")], {}, "modules share one cache"),
        ([cached(name="ocr_det", params={})], {}, "would hold nothing"),
        (
            [
                cached({"download": [{"name": "m", "url": f"https://x/{name}", "sha256": SHA}]}, name=name)
                for name in ("ocr_det", "ocr_rec")
            ],
            {},
            "two models of the name m",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(modules: list[JSON], spec: JSON, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        parse(body(*modules, **spec))


def test_a_module_adds_to_the_cache_of_the_defaults() -> None:
    defaults = {"models": {"cache": {"claimName": "weights"}}}
    found = rendered(
        {"name": "ocr_system", "models": {"cache": {"names": ["PP-OCRv6_tiny"]}}}, {"name": "ocr_det"}, defaults=defaults
    )
    assert found["Job/a--models"]["spec"]["template"]["spec"]["containers"][0]["args"] == ["models", "pull", "PP-OCRv6_tiny"]
    assert "initContainers" not in found["Deployment/a-ocr-det"]["spec"]["template"]["spec"]  # it needs nothing of it
