"""The lines that the network of scripts is trained on: of their script, the same each time, in fonts that have their letters."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from training.scripts import words
from training.scripts.fonts import characters, fonts_by_script
from training.scripts.lines import Lines
from training.scripts.samples import drawn

from ocr_serving import models
from ocr_serving.errors import InputError
from ocr_serving.stages.scripts import SCRIPTS


@pytest.fixture(scope="module")
def font() -> Path:
    (path,) = models.resolve(models.DEFAULT_FONT).path.glob("*.otf")
    return path


def test_every_class_of_the_network_is_drawn() -> None:
    assert {*words.LANGUAGES, "digits", "nothing"} == set(SCRIPTS)
    assert words.NAMES.keys() == words.LANGUAGES.keys()


@pytest.mark.parametrize(
    ("script", "language"), [("greek", "el"), ("cyrillic", "uk"), ("hebrew", "he"), ("thai", "th"), ("han", "ja")]
)
def test_a_line_is_mostly_in_its_script(script: str, language: str) -> None:
    rng = random.Random(1)
    text = "".join(words.line(script, rng, language) for _ in range(60))
    letters = [unicodedata.name(letter).split()[0] for letter in text if letter.isalpha()]
    assert sum(letters.count(name) for name in words.NAMES[script]) > 0.85 * len(letters)


def test_digits_are_no_letters() -> None:
    rng = random.Random(1)
    letters = {letter for _ in range(100) for letter in words.line("digits", rng, "en") if letter.isalpha()}
    assert letters <= set("RM"), "the sign of the ringgit alone"


def test_a_seed_draws_the_same_lines_in_any_number_of_processes(font: Path) -> None:
    fonts = {script: {words.LANGUAGES[script][0]: [font]} for script in ("latin", "greek", "hangul")}
    scripts = ["greek", "hangul", "digits", "nothing"] * 3
    one, two = (drawn(fonts, scripts, 5, "drawing", processes) for processes in (1, 2))
    assert np.array_equal(one.windows, two.windows)
    assert one.classes.tolist() == [SCRIPTS.index(script) for script in scripts]
    assert not np.array_equal(one.windows, drawn(fonts, scripts, 6, "drawing").windows)
    assert Lines(fonts).draw("greek", 1).ndim == 3


def test_a_folder_without_fonts_is_said_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no fonts: install Debian's fonts-noto-core, "):
        fonts_by_script(tmp_path)


def test_a_font_tells_its_characters(font: Path, tmp_path: Path) -> None:
    assert {ord("a"), ord("水"), ord("한")} <= characters(font)
    (tmp_path / "no.ttf").write_bytes(b"no font")
    assert characters(tmp_path / "no.ttf") == frozenset()
