"""Reading an OCRService: defaults, merging, names, images, and sentences about what only the operator can know."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_operator.api.merging import SpecError, merge
from ocr_operator.api.spec import ModuleSpec, OCRService, Settings, child_name, parse
from ocr_operator.names import PORTS
from ocr_operator.observed.events import changes_event

SETTINGS = Settings("registry.example.org", "ocr", "1.0")


def read(*modules: dict[str, Any], name: str = "invoices", **spec: Any) -> OCRService:
    metadata = {"name": name, "namespace": "docs", "uid": "u-1", "generation": 4, "labels": {"a": "b"}}
    return parse(
        {
            "apiVersion": "ocr-serving.dev/v1alpha1",
            "kind": "OCRService",
            "metadata": metadata,
            "spec": spec | {"modules": list(modules)},
        }
    )


def read_one(module: dict[str, Any] | None = None, **spec: Any) -> ModuleSpec:
    return read({"name": "ocr_system"} | (module or {}), **spec).modules[0]


def test_the_least_there_can_be() -> None:
    service = read({"name": "ocr_system"})
    module = service.modules[0]
    assert (service.name, service.namespace, service.uid, service.generation) == ("invoices", "docs", "u-1", 4)
    assert (module.child_name, module.port, module.replicas, module.on_gpu) == ("invoices-ocr-system", 8868, 1, True)
    assert module.url == "http://invoices-ocr-system.docs.svc:8868/predict/ocr_system"
    assert module.image_reference(SETTINGS) == "registry.example.org/ocr/ocr-system:1.0-gpu"
    assert module.labels == {
        "app.kubernetes.io/name": "ocr-serving",
        "app.kubernetes.io/instance": "invoices",
        "app.kubernetes.io/component": "ocr-system",
        "app.kubernetes.io/managed-by": "ocr-operator",
    }
    assert module.selector.items() < module.labels.items()


def test_ports_are_the_old_ones() -> None:
    names = [
        "ocr_det",
        "ocr_cls",
        "ocr_rec",
        "ocr_system",
        "structure_table",
        "structure_system",
        "structure_layout",
        "kie_ser",
        "kie_ser_re",
        "mine",
    ]
    ports = [module.port for module in read(*({"name": name} for name in names)).modules]
    assert ports == [8865, 8866, 8867, 8868, 8869, 8870, 8870, 8871, 8872, 8866]


@pytest.mark.parametrize(
    ("image", "own", "reference"),
    [
        ({}, {}, "registry.example.org/ocr/ocr-system:1.0-gpu"),
        ({"registry": ""}, {}, "ocr/ocr-system:1.0-gpu"),
        ({"registry": "r:5000", "repository": "a/b", "tag": "2"}, {}, "r:5000/a/b/ocr-system:2-gpu"),
        ({"flavor": "gpu-paddle"}, {"tag": "3"}, "registry.example.org/ocr/ocr-system:3-gpu-paddle"),
        ({"tag": "2"}, {"reference": "me/mine@sha256:00"}, "me/mine@sha256:00"),
    ],
)
def test_image(image: dict[str, Any], own: dict[str, Any], reference: str) -> None:
    assert read_one({"image": own}, image=image).image_reference(SETTINGS) == reference


def test_flavour_follows_the_device() -> None:
    assert read_one(defaults={"device": "cpu"}).image_reference(SETTINGS).endswith(":1.0-cpu")


def test_maps_are_merged_and_the_module_counts() -> None:
    fields = read_one(
        {
            "params": {"a": 1},
            "gpu": {"count": 2},
            "resources": {"requests": {"cpu": 2}, "limits": {"memory": "4Gi"}},
            "env": [{"name": "B", "value": "2"}, {"name": "C", "value": "3"}],
            "tolerations": [{"key": "mine"}],
            "strategy": {"type": "Recreate"},
        },
        defaults={
            "params": {"a": 0, "b": 0},
            "gpu": {"resource": "amd.com/gpu", "count": 1},
            "resources": {"requests": {"cpu": 1, "memory": "1Gi"}},
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
            "tolerations": [{"key": "all"}],
            "strategy": {"maxSurge": 2},
        },
    ).fields
    assert fields.params == {"a": 1, "b": 0}
    assert fields.gpu is not None
    assert (fields.gpu.resource, fields.gpu.count) == ("amd.com/gpu", 2)
    assert fields.resources is not None
    assert fields.resources.requests == {"cpu": 2, "memory": "1Gi"}
    assert fields.resources.limits == {"memory": "4Gi"}
    assert [(item.name, item.value) for item in fields.env or ()] == [("A", "1"), ("B", "2"), ("C", "3")]
    assert fields.tolerations == [{"key": "mine"}]
    assert fields.strategy is not None
    assert (fields.strategy.type, fields.strategy.max_surge) == ("Recreate", None)


def test_replicas_of_one_beat_autoscaling_of_the_other() -> None:
    assert read_one({"replicas": 2}, defaults={"autoscaling": {"maxReplicas": 5}}).replicas == 2
    assert read_one({"autoscaling": {"maxReplicas": 5}}, defaults={"replicas": 2}).replicas is None


def test_replicas_of_none_are_none() -> None:
    assert read_one({"replicas": 0}).replicas == 0
    assert read_one({}, defaults={"replicas": 0}).replicas == 0


def test_kubectl_scale_reaches_modules_without_a_count_of_their_own() -> None:
    modules = read({"name": "a", "replicas": 1}, {"name": "b", "autoscaling": {"maxReplicas": 2}}, {"name": "c"}).modules
    assert [module.scaled_by_defaults for module in modules] == [False, False, True]
    assert not read_one(defaults={"autoscaling": {"maxReplicas": 2}}).scaled_by_defaults


def test_a_cpu_module_has_no_gpu_of_the_defaults() -> None:
    assert read_one({"device": "cpu"}, defaults={"gpu": {"count": 2}}).fields.gpu is None


def test_what_is_merged_can_be_too_much() -> None:
    env = [[{"name": f"{part}{n}", "value": "1"} for n in range(100)] for part in "AB"]
    with pytest.raises(SpecError, match=r"spec\.modules\[0\], with spec\.defaults\.env: .*at most 128 items"):
        read_one({"env": env[0]}, defaults={"env": env[1]})


@pytest.mark.parametrize("timeout", ["60", 0, -1, True, None, 1e9])
def test_a_timeout_that_is_no_time(timeout: object) -> None:
    with pytest.raises(SpecError, match=r"config\.timeout_s: should be a number of seconds"):
        read_one({"config": {"timeout_s": timeout}})


def test_a_key_without_value() -> None:
    with pytest.raises(SpecError, match="'serviceMonitor' has no value: give it one, or leave it out"):
        read_one({"serviceMonitor": None})


@pytest.mark.parametrize(
    "body", [{}, {"kind": "Pod", "apiVersion": "v1"}, {"kind": "OCRService", "apiVersion": "ocr-serving.dev/v2"}]
)
def test_what_is_no_ocrservice(body: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="this is no OCRService"):
        parse(body)


@pytest.mark.parametrize("metadata", [None, [], {}, {"name": 7}, {"name": "a", "generation": "4"}])
def test_metadata_that_is_none(metadata: object) -> None:
    with pytest.raises(SpecError, match="metadata"):
        parse(
            {
                "apiVersion": "ocr-serving.dev/v1alpha1",
                "kind": "OCRService",
                "metadata": metadata,
                "spec": {"modules": [{"name": "a"}]},
            }
        )


LEAVES = st.none() | st.booleans() | st.integers(-9, 99999) | st.text(max_size=8)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)
KEYS = st.sampled_from(
    ["name", "replicas", "autoscaling", "port", "device", "gpu", "count", "env", "resources", "models", "params", "config", "image"]
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(("modules", "defaults", "image")), JSON | st.lists(st.dictionaries(KEYS, JSON, max_size=4), max_size=3)
    )
    | JSON
)
def test_anything_is_read_or_refused_in_a_sentence(spec: Any) -> None:
    body = {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": {"name": "t"}, "spec": spec}
    try:
        parse(body)
    except SpecError as exc:
        assert str(exc).endswith(".")
        assert "\n" not in str(exc)


MAPS = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 9),
        "port": st.integers(1024, 65535),
        "params": st.dictionaries(st.sampled_from("abc"), st.integers()),
        "nodeSelector": st.dictionaries(st.sampled_from("abc"), st.text(max_size=2)),
        "env": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from("ABC"), "value": st.text(max_size=2)}), unique_by=lambda x: x["name"]
        ),
        "tolerations": st.lists(st.fixed_dictionaries({"key": st.text(max_size=2)}), max_size=2),
    },
)


@settings(deadline=None)
@given(MAPS, MAPS)
def test_merging(defaults: dict[str, Any], module: dict[str, Any]) -> None:
    merged = merge(defaults, module)
    assert merge(merged, module) == merged
    assert merge(defaults, {}) == defaults
    assert merge({}, module) == module
    for key in ("params", "nodeSelector"):
        assert merged.get(key, {}) == {**defaults.get(key, {}), **module.get(key, {})}
    values = [{item["name"]: item["value"] for item in source.get("env", [])} for source in (defaults, module, merged)]
    assert values[2] == values[0] | values[1]
    for key in ("replicas", "port", "tolerations"):
        assert merged.get(key) == module.get(key, defaults.get(key))


def test_a_name_near_one_of_the_nine_is_a_slip_unless_it_has_an_image() -> None:
    def body(**fields: Any) -> dict[str, Any]:
        spec = {"modules": [{"name": "ocr_systm", "device": "cpu", **fields}]}
        return {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": {"name": "a"}, "spec": spec}

    with pytest.raises(SpecError, match="there is no module ocr_systm: did you mean ocr_system"):
        parse(body())
    assert parse(body(image={"reference": "mine:1"})).modules[0].name == "ocr_systm"


def test_the_last_words_of_an_event_are_cut_by_bytes() -> None:
    note = changes_event({"metadata": {"name": "a", "namespace": "b", "uid": "u"}}, "字" * 1000)["note"]
    assert len(note.encode()) <= 1024
    assert note.endswith("字…")


def named(service: str, module: str, **status: Any) -> str:
    body = {"apiVersion": "ocr-serving.dev/v1alpha1", "kind": "OCRService", "metadata": {"name": service}, "status": status}
    return parse(body | {"spec": {"modules": [{"name": module, "image": {"tag": "1"}}]}}).modules[0].child_name


WORDS = st.lists(st.sampled_from(["a", "b1", "ocr", "system", "det", "ser"]), min_size=1, max_size=3)


@given(WORDS, WORDS, WORDS, WORDS)
def test_no_two_modules_share_a_name(one: list[str], first: list[str], other: list[str], second: list[str]) -> None:
    pairs = {("-".join(service), "_".join(module)) for service, module in ((one, first), (other, second))}
    assert len({child_name(*pair) for pair in pairs}) == len(pairs)


@given(WORDS, WORDS, st.sampled_from(sorted(PORTS)))
def test_nor_does_one_with_a_module_of_the_nine(one: list[str], first: list[str], builtin: str) -> None:
    own = ("-".join(one), "_".join(first))
    if own[1] not in PORTS:
        cut = child_name(*own).removesuffix(f"-{builtin.replace('_', '-')}")
        assert child_name(cut, builtin) != child_name(*own)


def test_names_of_the_nine_are_as_they_were() -> None:
    assert {named("a-b", module) for module in PORTS} == {f"a-b-{module.replace('_', '-')}" for module in PORTS}
    assert (named("a", "mine"), named("a", "ocr_mine"), named("a-ocr", "mine")) == ("a-mine", "a-ocr-mine-1", "a-ocr-mine-5")


def test_a_module_that_was_served_under_its_plain_name_keeps_it() -> None:
    served = {"name": "ocr_mine", "url": "http://a-ocr-mine.default.svc:8866/predict/ocr_mine"}
    assert named("a", "ocr_mine", modules=[served]) == "a-ocr-mine"
    assert (
        named("a", "ocr_mine", modules=[served | {"problem": "the Service exists and is not of this OCRService but of nobody"}])
        == "a-ocr-mine-1"
    )
    assert named("a", "ocr_mine", modules=[served | {"problem": "the API server refuses it"}]) == "a-ocr-mine"
    assert named("a", "ocr_mine", modules=[served | {"url": served["url"].replace("mine.", "mine-1.")}]) == "a-ocr-mine-1"
