"""Pages that are noise for the most part, and pages whose dots are a print's."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from helpers.pictures import written
from ocr_serving.decoding.images import Image
from ocr_serving.stages.sharpness import is_blurred_around, is_noisy

PAGE = written("Invoice 2041", "Total 12,50 EUR", "Thank you for your order", size=40)


def dithered(page: Image) -> Image:
    """`page` in black and white, on grey paper, as a fax has it."""
    dots = np.asarray(PIL.Image.fromarray(np.minimum(page, 205)).convert("1"))
    return np.stack([dots] * 3, axis=2).astype(np.uint8) * 255


@pytest.mark.parametrize(("strength", "noisy"), [(0, False), (20, False), (120, True)])
def test_noise_is_known_by_its_strength(strength: int, noisy: bool) -> None:
    noise = np.random.default_rng(1).normal(0, strength, PAGE.shape)
    assert is_noisy((PAGE + noise).clip(0, 255).astype(np.uint8)) == noisy


def test_dots_of_a_print_are_no_noise() -> None:
    assert not is_noisy(dithered(PAGE))


def test_marks_are_looked_for_in_the_middle_of_a_very_large_page() -> None:
    ink = np.random.default_rng(2).random((90, 90)) < 0.3
    marks = np.asarray(PIL.Image.fromarray(ink).convert("L").resize((1440, 1440), PIL.Image.Resampling.BICUBIC))
    page = np.full((5000, 4000, 3), 255, np.uint8)
    page[1800:3240, 1300:2740] -= np.minimum(marks, 200)[..., None]
    line = np.array([[1300, 1700], [2700, 1700], [2700, 1760], [1300, 1760]], np.float32)
    assert is_blurred_around(page, [line])
    assert not is_blurred_around(page, [line * 0 + np.array([[1300, 1800], [2740, 1800], [2740, 3240], [1300, 3240]], np.float32)])
