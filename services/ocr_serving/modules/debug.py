"""`python module.py page.png …`: runs a module once and prints what a client would get."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from ocr_serving import config
from ocr_serving.data import PAGE
from ocr_serving.errors import ServingError

if TYPE_CHECKING:
    from ocr_serving.modules.base import Module


def main(cls: type[Module]) -> None:
    """Load `cls` with its params.py, answer for the images named on the command line, print the JSON; exits with 1 on an error."""
    parser = argparse.ArgumentParser(description=f"Run {cls.info.name} once. {cls.info.summary}.")
    parser.add_argument("images", nargs="*", default=[str(PAGE)], help="image files (default: a sample page)")
    files = parser.parse_args().images
    try:
        module = cls(pull=not config.is_offline(os.environ))
        results = module.predict(paths=files)
    except ServingError as exc:
        sys.exit(str(exc))
    for warning in module.warnings:
        print(warning, file=sys.stderr)
    print(json.dumps(results, ensure_ascii=False, indent=1))
