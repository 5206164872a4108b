"""The structure modules over HTTP: the old clients' look-ups, bad images in place, odd requests, the description."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import openpyxl
import PIL.Image
import pytest
import requests

from helpers.services import GOLDEN, Service, b64
from ocr_serving import cli

MODULES = ("structure_layout", "structure_table", "structure_system")
CROP = b64((GOLDEN / "pages" / "table_crop.jpg").read_bytes())

pytestmark = pytest.mark.models


def keys(entry: Any) -> Any:
    """What the old client may look up: keys and types, of lists the first item."""
    if isinstance(entry, dict):
        return {key: keys(value) for key, value in entry.items()}
    if isinstance(entry, list):
        return [keys(entry[0])] if entry else []
    return type(entry)


def superset(ours: Any, old: Any) -> bool:
    if isinstance(old, dict):
        return isinstance(ours, dict) and all(key in ours and superset(ours[key], value) for key, value in old.items())
    if isinstance(old, list):
        return isinstance(ours, list) and (not old or superset(ours[0], old[0]))
    return bool(ours == old)


@pytest.mark.parametrize("module", MODULES)
def test_answers_have_the_old_keys_and_types_and_are_as_described(structure: Service, module: str) -> None:
    old = json.loads((GOLDEN / module / "table_crop.json").read_text(encoding="utf-8"))["results"]
    answer = structure.post(module, {"images": [CROP, b64(b"no image")]}).json()
    assert answer["status"] == "000"
    assert superset(keys(answer["results"]), keys(old))
    assert answer["results"][1] == []
    assert "images[1] cannot be decoded" in answer["msg"]
    document = requests.get(f"{structure.url}/openapi.json", timeout=10).json()
    schema = {"$ref": f"#/components/schemas/{module}.Answer", "components": document["components"]}
    jsonschema.validate(answer, schema)
    answer["results"][0] = {"html": 5}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(answer, schema)


def test_keywords_of_a_request_reach_the_module(structure: Service) -> None:
    (page,) = structure.post("structure_system", {"images": [CROP], "table": False}).json()["results"]
    assert {line["text"] for line in page["regions"][0]["res"]} > {"Africa", "East Asia"}
    (page,) = structure.post("structure_layout", {"images": [CROP], "layout_score_threshold": 0.999}).json()["results"]
    assert page == {"layout": []}


@pytest.mark.parametrize(
    ("module", "body", "says"),
    [
        ("structure_layout", {"layout_score_threshold": 2}, "layout_score_threshold"),
        ("structure_layout", {"foo": 1}, "unexpected keyword argument 'foo'"),
        ("structure_table", {"foo": 1}, "unexpected keyword argument 'foo'"),
        ("structure_system", {"layout": "yes"}, "layout"),
        ("structure_system", {"table_text": "cell"}, "table_text"),
        ("structure_system", {"paths": ["/etc/passwd"]}, "'paths' is not taken over HTTP"),
    ],
)
def test_what_predict_does_not_take_is_refused(structure: Service, module: str, body: dict[str, Any], says: str) -> None:
    response = structure.post(module, {"images": [CROP]} | body)
    assert response.status_code == 400
    assert response.json()["status"] == "101"
    assert says in response.json()["msg"]


def test_a_pdf_has_one_result_for_each_page_and_a_cut_is_said(structure: Service) -> None:
    page = PIL.Image.open(GOLDEN / "pages" / "table_crop.jpg")
    file = io.BytesIO()
    page.save(file, "PDF", save_all=True, append_images=[page, page], resolution=150)
    pdf = b64(file.getvalue())
    answer = structure.post("structure_layout", {"images": [pdf, b64(b"%PDF-1.4 broken"), CROP]}).json()
    first, second, broken, picture = answer["results"]
    assert broken == []
    assert first == second
    assert [region["label"] for region in first["layout"]] == [region["label"] for region in picture["layout"]] == ["table"]
    assert first["layout"][0]["bbox"][2] == pytest.approx(picture["layout"][0]["bbox"][2], abs=4)
    assert answer["msg"] == (
        "images[0] has 3 pages, of which only the first 2 were read (max_pdf_pages = 2); "
        "images[1] is a PDF that cannot be opened: it is damaged or has no pages"
    )


def test_the_client_writes_tables_beside_the_pictures(structure: Service, tmp_path: Path) -> None:
    page = PIL.Image.open(GOLDEN / "pages" / "table_crop.jpg")
    (tmp_path / "in").mkdir()
    page.save(tmp_path / "in" / "q.png")
    page.save(tmp_path / "in" / "s.pdf", resolution=150)
    target = tmp_path / "out"
    options = ["--visualize", "--output", str(target), "--pdf_dpi", "150"]
    assert (
        cli.main(
            ["client", "--server_url", f"{structure.url}/predict/structure_table", "--image_dir", str(tmp_path / "in"), *options]
        )
        == 0
    )
    assert {path.name for path in target.iterdir()} == {
        *("q.json", "q.png", "q.html", "q.xlsx", "s.json", "s_p1.png", "s.html", "s.xlsx")
    }
    (sheet,) = openpyxl.load_workbook(target / "q.xlsx").worksheets
    assert [cell.value for cell in sheet[7]] == ["Africa", "2,162", "8,347", "8,770", "3,638", "22,917"]
    assert "<td>Africa</td>" in (target / "s.html").read_text(encoding="utf-8")


def test_stages_are_measured(structure: Service) -> None:
    structure.post("structure_system", {"images": [CROP]})
    told = {name for name in structure.metrics() if name.startswith("ocr_serving_stage_seconds_count")}
    for stage in ("layout", "structure", "detect", "recognize"):
        assert any('module="structure_system"' in name and f'stage="{stage}"' in name for name in told)
