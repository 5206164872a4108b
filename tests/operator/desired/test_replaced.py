"""When pods are replaced: what the hash of their config is made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.rendered import by_kind, manifests
from ocr_operator import names
from ocr_operator.desired.render import Settings, digest

TEXT = st.text(max_size=5)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "params": st.dictionaries(TEXT, st.integers() | TEXT, max_size=4),
        "nodeSelector": st.dictionaries(TEXT, TEXT, max_size=4),
        "podAnnotations": st.dictionaries(TEXT, TEXT, max_size=4),
        "config": st.dictionaries(st.sampled_from(("max_queue", "max_images", "offline")), st.integers(), max_size=3),
    },
)


def config_hash(module: dict[str, Any] | None = None, **spec: Any) -> str:
    return str(by_kind(module, **spec)["Deployment"]["spec"]["template"]["metadata"]["annotations"][names.CONFIG_HASH_ANNOTATION])


@pytest.mark.parametrize(
    "change",
    [{"params": {"a": 1}}, {"config": {"timeout_s": 9}}, {"port": 9000}, {"device": "cpu"}, {"workers": 2}, {"initArgs": {"a": 1}}],
    ids=str,
)
def test_what_changes_the_config_replaces_pods(change: dict[str, Any]) -> None:
    assert config_hash(change) != config_hash()


@pytest.mark.parametrize(
    "change",
    [{"replicas": 3}, {"service": {"type": "NodePort"}}, {"networkPolicy": {}}, {"strategy": {"type": "Recreate"}}],
    ids=str,
)
def test_what_does_not_concern_pods_leaves_them(change: dict[str, Any]) -> None:
    assert by_kind(change)["Deployment"]["spec"]["template"] == by_kind()["Deployment"]["spec"]["template"]


def test_one_module_leaves_the_others() -> None:
    before = manifests({"name": "ocr_det"}, {"name": "ocr_rec"})
    after = manifests({"name": "ocr_det"}, {"name": "ocr_rec", "params": {"a": 1}}, {"name": "ocr_cls"})
    assert after[:4] == before[:4]
    assert after[4]["metadata"]["annotations"] != before[4]["metadata"]["annotations"]


def test_hash_is_that_of_the_rest() -> None:
    for item in manifests({"name": "ocr_det", "service": {"annotations": {"a": "b"}}, "networkPolicy": {}}):
        said = item["metadata"]["annotations"][names.HASH_ANNOTATION]
        assert said == digest(item)
        assert len(said) == 16
        item["metadata"]["labels"]["x"] = "y"
        assert said != digest(item)


def test_settings_reach_the_image_alone() -> None:
    one, other = manifests({"name": "ocr_det"}), manifests({"name": "ocr_det"}, settings=Settings("r", "ocr", "2.0"))
    assert [left["kind"] for left, right in zip(one, other, strict=True) if left != right] == ["Deployment"]


@settings(deadline=None)
@given(FIELDS)
def test_the_order_of_keys_does_not_matter(fields: dict[str, Any]) -> None:
    turned = {key: dict(reversed(value.items())) for key, value in reversed(fields.items())}
    one, other = manifests({"name": "ocr_det"} | fields), manifests({**turned, "name": "ocr_det"})
    assert one == other
    hashes = [[item["metadata"]["annotations"][names.HASH_ANNOTATION] for item in items] for items in (one, other)]
    assert hashes[0] == hashes[1]
