"""How much decoding may take, and what it answers where that is not enough. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from ocr_serving.validation import Frozen


class Limits(Frozen):
    """How much one request may ask for, and how it is decoded.

    `max_pixels` counts the pixels of an image, or of a page of a PDF or TIFF, of whose pages `max_pdf_pages` at the most are read.
    A page that takes more than `page_timeout_s` seconds of CPU time or `page_memory_mb` MiB to decode is given up. `decoding`
    "full" reads all pages of a TIFF, lays transparency over what it contrasts with and stretches the grey of faint pages; "legacy"
    reads the first page, over white, as it is.
    """

    max_images: int = 64
    max_pixels: int = 50_000_000
    max_pdf_pages: int = 20
    pdf_dpi: int = 200
    page_timeout_s: float = Field(5, gt=0)
    page_memory_mb: int = Field(1024, ge=64)
    decoding: Literal["full", "legacy"] = "full"

    @property
    def max_pixels_together(self) -> int:
        """Pixels of all images of one request, since they are in memory at once."""
        return 4 * self.max_pixels

    @property
    def seconds_together(self) -> float:
        """CPU seconds that decoding costly files may take in one request."""
        return 6 * self.page_timeout_s


@dataclass(frozen=True)
class Undecodable:
    """Why an image could not be decoded, as a sentence. `large`: because it has more pixels than the limits allow."""

    reason: str
    large: bool = False


@dataclass
class Allowance:
    """CPU seconds that the costly files of one request may take together; `left` counts down."""

    left: float = math.inf

    def spend(self, seconds: float) -> None:
        """Take off what was used."""
        self.left -= seconds
