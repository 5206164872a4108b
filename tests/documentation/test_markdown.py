"""The pages in Markdown: what they link to is there, what they tell to type exists."""

import argparse
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_operator.cli import parser as operator_parser
from ocr_serving.cli import parser as services_parser
from ocr_serving.config import ENV_PREFIX, SETTINGS, ModuleConfig, ServiceConfig
from ocr_serving.config.environment import VARIABLES

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "images", "charts", "operator", "services", "tests/e2e", "tests/cluster")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))

PACKAGES = (ROOT / "services/ocr_serving", ROOT / "operator/ocr_operator")
MADE = {"build", "dist"}
"""Rooms of what commands make, which is there or is not."""
ROOMS = {room.name for place in (ROOT, *PACKAGES) for room in place.iterdir() if room.is_dir()} - MADE

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """What a link may name after `#`: the headings, as they become addresses."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def code(page: Path) -> Iterator[str]:
    """Whatever is to be typed: spans and lines of code, comments left out."""
    text = page.read_text()
    yield from re.findall(r"`([^`\n]+)`", text)
    for line in text.splitlines():
        if line.startswith("    "):
            yield line.strip().partition("  #")[0].strip()


def choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser, by name."""
    actions = parser._subparsers._group_actions if parser._subparsers else []
    return {name: one for action in actions if isinstance(action.choices, dict) for name, one in action.choices.items()}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(there), f"{page.name} links to {target}"


@every_page
def test_make_has_the_targets_that_are_told(page: Path) -> None:
    for typed in code(page):
        for words in re.findall(r"(?:^|[\d=1] )make ([^|;#]*)", typed):
            named = [word for word in shlex.split(words, posix=False) if re.fullmatch(r"[a-z][a-z-]+", word)]
            assert set(named) <= TARGETS, f"{page.name}: make {words}"


@every_page
@pytest.mark.parametrize("program", ["ocr-serving", "ocr-operator"])
def test_commands_have_the_options_that_are_told(page: Path, program: str) -> None:
    commands = choices(services_parser() if program == "ocr-serving" else operator_parser())
    for typed in code(page):
        for words in re.findall(rf"(?:^|[\s/]){program} ([a-z]+[^|;&]*)", typed):
            command, *rest = words.split()
            assert command in commands, f"{page.name}: {program} {words}"
            known = commands[command].format_help()
            if rest and rest[0] in choices(commands[command]):
                known += choices(commands[command])[rest[0]].format_help()
            for option in re.findall(r"(?<=\s)--?[a-z][\w-]*", f" {' '.join(rest)}"):
                assert re.search(rf"(?<![\w-]){re.escape(option)}\b", known), f"{page.name}: {program} {words}"


@every_page
def test_settings_that_are_told_exist(page: Path) -> None:
    text = page.read_text()
    known = {ENV_PREFIX + name.upper() for name in SETTINGS} | set(VARIABLES)
    assert set(re.findall(r"OCR_SERVING_[A-Z][A-Z_]+", text)) <= known
    keys = set(ServiceConfig.model_fields) | set(ModuleConfig.model_fields)
    for block in re.findall(r"^    \{\"modules_info\".*?(?:\n    .*)*", text, re.MULTILINE):
        outer = re.sub(r"\{[^{}]*\}", "", re.sub(r"\{[^{}]*\}", "", block))
        assert set(re.findall(r'"(\w+)":', outer)) <= keys | {"ocr_system"}


@every_page
def test_files_that_are_named_exist(page: Path) -> None:
    for name in re.findall(r"`([\w.-]+(?:/[\w.-]+)+)`", page.read_text()):
        if name.partition("/")[0] in ROOMS:
            assert any((room / name).exists() for room in (ROOT, *PACKAGES)), f"{page.name} names {name}"


def test_each_page_of_docs_is_on_the_map() -> None:
    map_ = (ROOT / "README.md").read_text()
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert f"(docs/{page.name})" in map_
    decisions = (ROOT / "docs/adr/README.md").read_text()
    for page in sorted((ROOT / "docs/adr").glob("0*.md")):
        assert f"({page.name})" in decisions


def test_each_target_is_told_to_whoever_works_on_it() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text()
    described = re.findall(r"^([a-z0-9-]+):.*##", MAKEFILE, re.MULTILINE)
    for target in described:
        assert f"`make {target}`" in told or target == "help"


def test_markers_that_are_told_exist() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    markers = {text.partition(":")[0] for text in settings}
    told = next(line for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines() if line.startswith("- Markers"))
    assert set(re.findall(r"`(\w+)`", told)) <= markers
