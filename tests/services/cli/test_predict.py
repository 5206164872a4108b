"""`ocr-serving predict`: a module in this process, from files to text."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import cv2
import openpyxl
import PIL.Image
import pytest

from helpers.services import ECHO, GOLDEN
from ocr_serving import cli, data

pytestmark = pytest.mark.models

PAGES = GOLDEN / "pages"
TINY = ["--params", "model_set=PP-OCRv6_tiny"]


def test_the_text_of_a_page_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", str(data.PAGE), *TINY]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "INVOICE"
    assert "Northwind Traders Ltd." in lines
    assert lines[-1] == "Thank you for your business!"


def test_json_visualize_and_a_folder(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    shutil.copy(data.WARMUP, "in/b.png")
    Path("in/a.jpg").write_bytes(b"not an image")
    assert cli.main(["predict", "in", "--json", "--visualize", *TINY]) == 1
    out, err = capsys.readouterr()
    printed = [json.loads(line) for line in out.splitlines()]
    assert [item["image"] for item in printed] == ["in/b.png"]
    assert "  in/a.jpg  cannot be decoded" in err
    assert {path.name for path in Path("ocr_result").iterdir()} == {"b.json", "b.png"}
    assert json.loads(Path("ocr_result/b.json").read_bytes()) == {"msg": "", "results": [printed[0]["results"]], "status": "000"}
    strip, picture = cv2.imread("in/b.png"), cv2.imread("ocr_result/b.png")
    assert strip is not None
    assert picture is not None
    assert picture.shape[1] == 2 * strip.shape[1]


def test_several_files_are_told_apart(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(data.WARMUP, "a.png")
    shutil.copy(data.WARMUP, "b.png")
    assert cli.main(["predict", "a.png", "b.png", *TINY]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "a.png:" in lines
    assert lines[lines.index("a.png:") + 1 : lines.index("b.png:")] == lines[lines.index("b.png:") + 1 :]
    assert "INVOICE" in lines
    assert list(Path().glob("*_result")) == [], "nothing is written that was not asked for"


def test_params_and_another_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", str(data.WARMUP), *TINY, "drop_score=1.0"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["predict", str(data.WARMUP), "-m", "ocr_det", *TINY]) == 0
    assert capsys.readouterr().out.count(",") >= 4


def test_a_module_of_the_users_prints_what_it_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", str(data.WARMUP), "-m", str(ECHO), "--params", "scale=2"]) == 0
    height, width = cv2.imread(str(data.WARMUP)).shape[:2]  # type: ignore[union-attr]
    printed = json.loads(capsys.readouterr().out)
    assert (printed["height"], printed["width"]) == (2 * height, 2 * width)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["gone.png"], "gone.png does not exist"),
        ([str(data.WARMUP), "-m", "ocr_sistem"], "There is no module 'ocr_sistem' (did you mean 'ocr_system'?)"),
        ([str(data.WARMUP), "--params", "drop_scor=0.3"], "'drop_scor' (did you mean 'drop_score'?)"),
        ([str(data.WARMUP), "--params", "drop_score"], "--params takes key=value, not 'drop_score'"),
        ([str(data.WARMUP), "--init", "gpu=true"], "'gpu' (did you mean 'use_gpu'?)"),
    ],
)
def test_mistakes_are_one_sentence(options: list[str], sentence: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", *options]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ocr-serving: ")
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("options", "variable"), [(["--offline"], ""), ([], "true")])
def test_offline_nothing_is_fetched(
    options: list[str], variable: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OCR_SERVING_MODELS", str(elsewhere / "store"))
    if variable:
        monkeypatch.setenv("OCR_SERVING_OFFLINE", variable)
    assert cli.main(["predict", str(data.WARMUP), "-m", "ocr_cls", *options]) == 1
    err = capsys.readouterr().err
    assert "is not on this machine; run `ocr-serving models pull" in err
    assert "`ocr-serving models pull --module ocr_cls`" in err
    assert not (elsewhere / "store").exists()


def pdf_of(*pictures: Path) -> bytes:
    """A PDF with a picture on each page, at 150 pixels to the inch."""
    first, *others = (PIL.Image.open(path).convert("RGB") for path in pictures)
    file = io.BytesIO()
    first.save(file, "PDF", save_all=True, append_images=others, resolution=150)
    return file.getvalue()


def test_a_pdf_becomes_a_document_with_its_tables_and_pictures(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("report.pdf").write_bytes(pdf_of(PAGES / "layout_cn.jpg", PAGES / "table_crop.jpg"))
    options = ["--to", "markdown", "--visualize", "--json", "--pdf_dpi", "150"]
    assert cli.main(["predict", "report.pdf", "-m", "structure_system", *options, *TINY]) == 0
    out, err = capsys.readouterr()
    printed = [json.loads(line) for line in out.splitlines()]
    assert [item["page"] for item in printed] == [1, 2]
    assert err == "Wrote ocr_result/report.md.\n"
    written = {path.name for path in Path("ocr_result").iterdir()}
    assert written == {
        *("report.json", "report.md", "report.html", "report.xlsx", "report_figure1.png", "report_p1.png", "report_p2.png")
    }
    text = Path("ocr_result/report.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "深度学习的文档版面分析研究\n\n李华王芳陈明\n\n## 一、引言\n\n" in text
    assert "| Africa | 2,162 | 8,347 | 8,770 | 3,638 | 22,917 |" in text
    assert json.loads(Path("ocr_result/report.json").read_bytes())["results"] == [item["results"] for item in printed]
    assert len(openpyxl.load_workbook("ocr_result/report.xlsx").worksheets) == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["broken.pdf"], "broken.pdf is a PDF that cannot be opened: it is damaged or has no pages."),
        (
            [str(data.WARMUP), "--to", "docx", "-m", "ocr_det", *TINY],
            "A document needs the lines or regions of a page: take the module structure_system, or ocr_system.",
        ),
    ],
)
def test_what_is_no_document_is_said(
    options: list[str], sentence: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken.pdf").write_bytes(b"%PDF-1.7 broken")
    assert cli.main(["predict", *options]) == 1
    assert capsys.readouterr().err == f"{sentence}\n"
    assert not list(Path().glob("ocr_result/*"))
