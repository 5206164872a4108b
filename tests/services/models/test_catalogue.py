"""The catalogue holds together, and what it says of a package is true."""

import re
from pathlib import Path

import pytest

from ocr_serving import models
from ocr_serving.models.catalogue import package_sizes

NOTICE = Path(__file__).parents[3] / "NOTICE"


def test_sets_name_models_of_the_right_kind() -> None:
    for entry in models.model_sets().values():
        kinds = [models.catalogue()[name].kind for name in entry.models]
        assert kinds == ["det", "rec", "cls"], entry.name


def test_default_set_keeps_the_classifier_off() -> None:
    assert next(iter(models.model_sets())) == models.DEFAULT_SET
    assert not models.model_sets()[models.DEFAULT_SET].use_angle_cls


def test_font_is_free_to_pass_on() -> None:
    assert models.catalogue()[models.DEFAULT_FONT].licence == "OFL-1.1"


def test_each_source_is_of_a_known_package() -> None:
    named = {source.package for model in models.catalogue().values() for source in model.sources}
    assert named == set(package_sizes())


def test_a_folder_holds_what_an_engine_looks_for() -> None:
    for model in models.catalogue().values():
        names = {file.name for file in model.files}
        if model.kind == "font":
            assert any(name.endswith((".otf", ".ttf")) for name in names)
        elif model.name.endswith("_paddle"):
            assert {"inference.pdmodel", "inference.pdiparams"} <= names
        else:
            assert "inference.onnx" in names


def test_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        models.catalogue()["mine"] = models.catalogue()["font_cjk"]  # type: ignore[index]


def test_notice_names_every_model_with_its_licence_and_packages() -> None:
    paragraphs = re.split(r"\n\s*\n", NOTICE.read_text(encoding="utf-8"))
    for model in models.catalogue().values():
        paragraph = next((text for text in paragraphs if re.search(rf"^ *{re.escape(model.name)}$", text, re.M)), None)
        assert paragraph, f"NOTICE does not name {model.name}"
        assert model.licence in paragraph
        assert model.copyright in " ".join(paragraph.split())
        assert all(source.package in paragraph for source in model.sources)
