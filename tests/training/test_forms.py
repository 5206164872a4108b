"""The forms that the demo weights are trained on: reproducible, labelled right, of many kinds."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter

import pytest
from training.kie.forms import make_form
from training.kie.noise import scanned
from training.kie.sheet import ANSWER, HEADER, OTHER, QUESTION, Form
from training.kie.texts import LOCALES, Texts


@pytest.fixture(scope="module")
def english() -> Texts:
    return Texts("en", seed=3)


def make(texts: Texts, seed: int) -> Form:
    return make_form(texts, random.Random(seed))


def test_a_seed_makes_the_same_form_again(english: Texts) -> None:
    again = Texts("en", seed=3)
    assert scanned(make(english, 5), random.Random(5)) == scanned(make(again, 5), random.Random(5))
    assert make(english, 5) != make(english, 6)


PRINT_A_FORM_OF_EACH_LANGUAGE = """
import random
from training.kie.forms import make_form
from training.kie.texts import LOCALES, Texts
for language in LOCALES:
    texts = Texts(language, 1)
    print([make_form(texts, random.Random(seed)) for seed in range(3)])
"""


def test_every_process_makes_the_same_forms() -> None:
    def printed(hash_seed: str) -> bytes:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": hash_seed}
        return subprocess.run(
            [sys.executable, "-c", PRINT_A_FORM_OF_EACH_LANGUAGE], env=environment, check=True, capture_output=True
        ).stdout

    assert printed("1") == printed("2")


@pytest.mark.parametrize("language", LOCALES)
def test_links_lead_from_questions_to_answers_in_every_language(language: str) -> None:
    texts = Texts(language, seed=1)
    for seed in range(15):
        form = make(texts, seed)
        labels = {line.entity: line.label for line in form.lines}
        assert {(labels[q], labels[a]) for q, a in form.links} <= {(QUESTION, ANSWER)}
        scan = scanned(form, random.Random(seed))
        assert {entity for link in scan.links for entity in link} <= {line.entity for line in scan.lines}


def test_boxes_of_a_scan_are_whole_thousandths_of_the_page(english: Texts) -> None:
    for seed in range(15):
        for line in scanned(make(english, seed), random.Random(seed)).lines:
            assert all(value == int(value) and 0 <= value <= 1000 for value in line.box)
            assert line.text.strip()


def test_forms_hold_all_labels_and_are_of_many_sizes(english: Texts) -> None:
    forms = [make(english, seed) for seed in range(60)]
    labels = Counter(line.label for form in forms for line in form.lines)
    assert all(labels[label] > 0.02 * labels.total() for label in (QUESTION, ANSWER, HEADER, OTHER))
    sizes = sorted(len(form.lines) for form in forms)
    assert sizes[5] < 40 < sizes[-5]
    assert min(len(form.links) for form in forms) < 10 < 40 < max(len(form.links) for form in forms)
