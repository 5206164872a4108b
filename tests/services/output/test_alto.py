"""ALTO against the schema of its editorial board (alto-4-4.xsd, CC BY-SA 4.0, unchanged)."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from lxml import etree

from helpers.answers import PAGE, document, line, page, region, table
from helpers.services import GOLDEN
from ocr_serving.output import build
from ocr_serving.output.alto import NAMESPACE, alto

SCHEMA = Path(__file__).parent / "alto-4-4.xsd"

XLINK = """<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:x="http://www.w3.org/1999/xlink"
 targetNamespace="http://www.w3.org/1999/xlink"><attribute name="href" type="anyURI"/>
<attributeGroup name="simpleLink"><attribute ref="x:href"/></attributeGroup></schema>"""
"""As much of the Library of Congress's schema of links as ALTO's names."""


class _Links(etree.Resolver):  # type: ignore[misc]
    def resolve(self, system_url: str, public_id: str, context: object) -> object:
        return self.resolve_string(XLINK, context) if "xlink" in system_url else None


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    parser = etree.XMLParser()
    parser.resolvers.add(_Links())
    return etree.XMLSchema(etree.parse(str(SCHEMA), parser))


def test_blocks_of_every_kind(schema: etree.XMLSchema) -> None:
    first = page(
        region("title", (100, 50, 900, 100), line("Report <1>", 100, 60)),
        region("text", (100, 540, 900, 640), line("• one", 100, 540), line("• two", 100, 570)),
        table((100, 300, 900, 500), [["a", ""], ["b", "c"]]),
        region("figure", (100, 700, 300, 800), line("axis", 110, 705, 50)),
        region("header", (100, 10, 900, 40), line("head", 100, 15)),
    )
    whole = document(first, page(number=2), title='a "b" & c')
    root = etree.fromstring(alto(whole))
    schema.assertValid(root)
    found = Counter(str(element.get("CONTENT")) for element in root.iter(f"{{{NAMESPACE}}}String"))
    assert found == Counter(word.text for one in whole.pages for said in one.lines for word in said.words)


@pytest.mark.parametrize("path", sorted((GOLDEN / "structure_system").glob("*.json")), ids=lambda path: path.stem)
def test_recorded_pages(schema: etree.XMLSchema, path: Path) -> None:
    entry = json.loads(path.read_text(encoding="utf-8"))["results"][0]
    schema.assertValid(etree.fromstring(alto(document(build.page(entry, PAGE)))))
