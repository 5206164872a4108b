"""The routes of PaddleOCR 3: what each takes, what the list of its results is called, which modules serve it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ocr_serving.server.paddleocr3.options import LayoutRequest, OcrRequest, Request, TableRequest

OCR, LAYOUT, TABLES, PREPROCESSING = "ocr", "layout-parsing", "table-recognition", "document-preprocessing"


@dataclass(frozen=True)
class About:
    """A route: the model of its request, the name of its list of results, the modules that can serve it, the best first."""

    model: type[Request]
    results: str
    modules: tuple[str, ...]
    summary: str


ROUTES: Mapping[str, About] = {
    OCR: About(
        OcrRequest,
        "ocrResults",
        ("ocr_system", "structure_system", "structure_table"),
        "Lines of text, as PaddleOCR 3 answers them",
    ),
    LAYOUT: About(
        LayoutRequest, "layoutParsingResults", ("structure_system",), "Pages as blocks and Markdown, as PP-StructureV3 answers them"
    ),
    TABLES: About(
        TableRequest, "tableRecResults", ("structure_system", "structure_table"), "Tables as HTML, as PaddleOCR 3 answers them"
    ),
    PREPROCESSING: About(
        Request,
        "docPreprocessingResults",
        ("ocr_system", "structure_system", "structure_table"),
        "Pages set upright, as PaddleOCR 3 answers them",
    ),
}
