"""Which format a call of `/predict` asks for."""

from __future__ import annotations

import pytest

from ocr_serving.errors import InputError
from ocr_serving.server.convert import wanted

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", ""),
        ("*/*", ""),
        ("application/json", ""),
        ("application/json, text/plain, */*", ""),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", ""),
        ("application/pdf", "pdf"),
        ("application/pdf, application/json", "pdf"),
        ("application/json, application/pdf", ""),
        ("application/pdf;q=0.5, application/json", ""),
        (f"application/pdf;q=0.5, {DOCX}", "docx"),
        (f"{DOCX};q=0.1, Application/PDF;Q=0.9, */*;q=0.05", "pdf"),
        ("application/pdf;q=0, text/csv;q=0.3", "csv"),
        ("image/png, application/pdf;q=0.3", "pdf"),
        ("application/pdf;q=much", ""),
        (";;;,,q=1", ""),
    ],
)
def test_the_format_with_the_highest_weight_is_asked_for(accept: str, form: str) -> None:
    assert wanted("", accept) == form


def test_output_in_the_address_counts_more_than_the_header() -> None:
    assert wanted("docx,md", "application/pdf") == "docx,markdown"
    with pytest.raises(InputError, match="'docs' is no format"):
        wanted("docs", "application/pdf")
