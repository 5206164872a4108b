"""Words added to a PDF by the decoding process: within its bounds."""

from __future__ import annotations

from collections.abc import Sequence

from ocr_serving.decoding import bounded
from ocr_serving.decoding.limits import Allowance, Limits
from ocr_serving.decoding.messages import Refused
from ocr_serving.errors import InputError
from ocr_serving.searchable.overlay import ANOTHER, PageText

PAGES_A_TIME = 2
"""Pages of a file for which it may take as long as one page may take to render."""


def written_over(data: bytes, title: str, pages: Sequence[PageText], limits: Limits) -> bytes:
    """The PDF `data` with `pages` added, within `limits.page_memory_mb` MiB, and `limits.seconds_together` seconds of CPU time or
    so many more as its pages are many. Raises InputError where that cannot be, UnavailableError.
    """
    seconds = max(limits.seconds_together, limits.page_timeout_s * len(pages) / PAGES_A_TIME)
    with bounded.File(data, "pdf", limits, Allowance()) as file:
        found = file.open()
        if not isinstance(found, Refused):
            made = file.overlaid(title, pages, seconds)
            if isinstance(made, bytes):
                return made
            found = made
    if found.why == "unwritable":
        raise InputError(found.detail)
    if found.why == "locked":
        raise InputError("The PDF needs a password, so that no words can be added.")
    raise InputError(f"No words can be added to the PDF: {found.detail or 'it is damaged'}: {ANOTHER}.")
