"""docs/configuration.md: made from the code, whole, and true on Kubernetes too."""

import json
import re
from pathlib import Path

import pytest
import yaml
from docs import generate
from pydantic import BaseModel

from ocr_operator.cli import main as ocr_operator
from ocr_serving.config import ModuleConfig, ServiceConfig
from ocr_serving.config.environment import VARIABLES
from ocr_serving.engines import EngineOptions
from ocr_serving.modules import loader
from ocr_serving.server.wire import Arguments

SERVICES = generate.ROOT / "services" / "ocr_serving"
MODULES = generate.builtin()


def test_the_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_a_page_that_is_not_current_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "PAGE", tmp_path / "configuration.md")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    generate.PAGE.write_text(generate.page().replace("8866", "8867", 1))
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().err == "configuration.md is not current: run `make docs`.\n"
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize(
    "model",
    [ServiceConfig, ModuleConfig, EngineOptions, *dict.fromkeys(generate.params_of(cls) for cls in MODULES.values())],
    ids=lambda model: model.__name__,
)
def test_each_setting_says_what_it_does_and_stands_on_the_page(model: type[BaseModel]) -> None:
    page = generate.page()
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name} needs Field(description=…): it goes into docs/configuration.md"
        assert f"| `{name}` |" in page
        assert field.description.replace("|", "\\|") in page


@pytest.mark.parametrize("module", MODULES)
def test_each_argument_of_predict_says_what_it_does(module: str) -> None:
    for name, argument in Arguments(MODULES[module]).model.model_json_schema()["properties"].items():
        assert argument.get("description"), (
            f"{module}.predict's {name} is no parameter of params.py: annotate it with Annotated[…, Field(description=…)]"
        )


@pytest.mark.parametrize("module", MODULES)
def test_each_init_arg_is_an_option_of_engines(module: str) -> None:
    taken = [name for name in MODULES[module]._initialize.__annotations__ if name != "return"]
    assert set(taken) <= set(EngineOptions.model_fields)


@pytest.mark.parametrize("module", MODULES)
def test_a_shipped_config_json_says_nothing_that_does_not_count(module: str) -> None:
    # `workers` counts with use_multiprocess alone, and a use_multiprocess of false does not mean one process.
    assert set(loader.find(module).settings) == {"port", "gpu"}


def test_each_key_is_written_into_config_json_by_the_field_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "service.yaml"
    others = {name for name in ServiceConfig.model_fields if name not in generate.IN_OCRSERVICE}
    module = {
        "name": "ocr_system",
        "port": 9000,
        "workers": 3,
        "gpu": {"count": 2},
        "initArgs": {"engine": "auto"},
        "predictArgs": {"drop_score": 0.1},
        "params": {"drop_score": 0.2},
        "config": dict.fromkeys(others, 7),
    }
    body = {
        "apiVersion": "ocr-serving.dev/v1alpha1",
        "kind": "OCRService",
        "metadata": {"name": "a"},
        "spec": {"modules": [module]},
    }
    file.write_text(yaml.safe_dump(body))
    assert ocr_operator(["render", "-f", str(file)]) == 0
    written = next(one for one in yaml.safe_load_all(capsys.readouterr().out) if one["kind"] == "ConfigMap")
    config = json.loads(written["data"]["config.json"])
    assert config.keys() == ServiceConfig.model_fields.keys()
    assert (config["port"], config["workers"], config["use_multiprocess"], config["gpu"]) == (9000, 3, True, "0,1")
    assert config["host"] == "0.0.0.0"
    assert config["modules_info"] == {
        "ocr_system": {
            "init_args": {"use_gpu": True, "engine": "auto"},
            "predict_args": {"drop_score": 0.1},
            "params": {"drop_score": 0.2},
        }
    }


def test_each_variable_that_is_read_is_told() -> None:
    code = "\n".join(file.read_text() for file in SERVICES.rglob("*.py") if file.name != "environment.py")
    read = re.findall(r"""environ(?:\.get\(|\.setdefault\(|\[)\s*"([A-Z_]+)""", code) + re.findall(
        r""""([A-Z_]+)" (?:not )?in environ""", code
    )
    read += re.findall(r'''^[A-Z_]+ = "(OCR_SERVING_[A-Z_]+)"''', code, re.MULTILINE)
    # WSGI calls what it knows of a request an environment, too; PYTHONPATH is only handed on.
    others = ("HTTP_", "SERVER_", "PYTHONPATH")
    assert {name for name in read if not name.startswith(others)} == set(VARIABLES)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "number", "minimum": 0, "maximum": 1}, "number, 0 to 1"),
        ({"type": "number", "exclusiveMinimum": 0}, "number above 0"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 10}, "number above 0, up to 10"),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, "whole number, 1 or more"),
        ({"enum": ["max", "min"], "type": "string"}, "`max`, `min`"),
        ({"const": "DB"}, "`DB`"),
        ({"type": "array", "prefixItems": [{}, {}, {}]}, "3 whole numbers"),
        ({"type": "boolean"}, "true or false"),
    ],
)
def test_a_schema_in_words(schema: dict[str, object], words: str) -> None:
    assert generate.kind(schema) == words
