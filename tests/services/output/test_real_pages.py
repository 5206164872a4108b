"""Real pages, in `shared/data` beside the checkout where there are any: no word that is read there is lost in a document."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from benchmarks.documents import LEAST, texts

from ocr_serving.decoding.images import Limits, Undecodable, from_bytes
from ocr_serving.modules.loader import load_module
from ocr_serving.modules.structure_system.module import StructureSystem

HERE = Path(__file__).resolve()
DATA = next((folder / "shared/data" for folder in HERE.parents if (folder / "shared/data").is_dir()), None)
PAGES = ("receipts/*.jpg", "forms/testing/images/*.png")
EACH = 2

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(DATA is None, reason="needs real pages in ../shared/data beside the checkout, which are not in it"),
]


@pytest.fixture(scope="module")
def system() -> StructureSystem:
    module = load_module("structure_system", params={"model_set": "PP-OCRv6_tiny"})
    assert isinstance(module, StructureSystem)
    return module


def _pages() -> list[Path]:
    return [path for pattern in PAGES for path in sorted(DATA.glob(pattern))[5 : 5 + EACH]] if DATA else []


@pytest.mark.parametrize("path", _pages(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_words_that_are_read_on_a_page_are_in_its_documents(system: StructureSystem, path: Path) -> None:
    image = from_bytes(path.read_bytes(), where=path.name, limits=Limits())
    assert not isinstance(image, Undecodable)
    system.begin_request()
    words = Counter(word for line in system.tables.ocr.predict([image])[0] for word in line["text"].split())
    for text in texts(system, image):
        lost = words - Counter(text.split())
        assert lost.total() <= (1 - LEAST) * words.total(), lost
