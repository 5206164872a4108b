"""The cache keeps the newest state whatever comes last, and knows who owns what."""

from typing import Any

from ocr_operator.observed.cache import Cache, Owner, Ref

REF = Ref("Deployment", "ns", "a-ocr-system")


def _body(version: int, owner: str | None = "a", label: str = "a", **fields: Any) -> dict[str, Any]:
    references = [{"kind": "OCRService", "name": owner, "uid": "u", "controller": True}] if owner else []
    metadata = {
        "name": REF.name,
        "namespace": "ns",
        "resourceVersion": str(version),
        "ownerReferences": references,
        "labels": {"app.kubernetes.io/instance": label},
    }
    return {"kind": "Deployment", "metadata": metadata, **fields}


def test_an_older_state_never_replaces_a_newer_one() -> None:
    cache = Cache()
    assert cache.put(_body(12, spec={"replicas": 2}))
    assert not cache.put(_body(9, spec={"replicas": 1}))
    assert not cache.put(_body(12, spec={"replicas": 1}))
    known = cache.get(REF)
    assert known is not None
    assert known["spec"] == {"replicas": 2}
    assert cache.version(REF) == 12


def test_that_a_state_agrees_with_a_manifest_is_known_until_another_state_is_seen() -> None:
    cache = Cache()
    cache.set_agrees(REF, "abc")
    cache.put(_body(12))
    assert not cache.agrees(REF, "abc")
    cache.set_agrees(REF, "abc")
    cache.put(_body(11))
    assert cache.agrees(REF, "abc")
    assert not cache.agrees(REF, "abd")
    cache.put(_body(13))
    assert not cache.agrees(REF, "abc")


def test_that_a_watch_has_told_of_an_object_is_known_until_it_is_gone() -> None:
    cache = Cache()
    cache.put(_body(12))
    assert not cache.was_told(REF)
    cache.set_told(REF)
    cache.put(_body(13))
    assert cache.was_told(REF)
    cache.drop(REF)
    cache.set_told(REF)
    cache.put(_body(14))
    assert not cache.was_told(REF)


def test_what_is_dropped_is_unknown_and_nobodys() -> None:
    cache = Cache()
    cache.put(_body(12))
    assert cache.owned(Owner("ns", "a")) == [REF]
    assert cache.drop(REF)
    assert cache.get(REF) is None
    assert cache.owned(Owner("ns", "a")) == []
    assert not cache.drop(REF)


def test_a_new_owner_takes_it_from_the_old_one() -> None:
    cache = Cache()
    cache.put(_body(1, owner="a"))
    cache.put(_body(2, owner="b"))
    assert cache.owned(Owner("ns", "a")) == []
    assert cache.owned(Owner("ns", "b")) == [REF]


def test_pods_belong_to_the_service_that_their_label_names() -> None:
    cache = Cache()
    cache.put(_body(1, owner=None, label="b"))
    assert cache.owner(REF) == Owner("ns", "b")


def test_whether_replicas_are_ours_is_read_from_the_managed_fields() -> None:
    cache = Cache()
    ours = {"manager": "ocr-operator", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}
    autoscaler = {
        "manager": "kube-controller-manager",
        "operation": "Update",
        "subresource": "scale",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }
    for version, (entry, is_ours) in enumerate([(ours, True), (autoscaler, False)], start=1):
        body = _body(version)
        body["metadata"]["managedFields"] = [entry]
        cache.put(body)
        known = cache.live(REF)
        assert known is not None
        assert known.owns_replicas is is_ours
        assert "managedFields" not in known.body["metadata"]
