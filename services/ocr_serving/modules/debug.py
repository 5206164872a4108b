"""`python module.py page.png …`: runs a module once and prints what a client would get."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from ocr_serving import config
from ocr_serving.data import PAGE
from ocr_serving.errors import ServingError


class Loaded(Protocol):
    """What is asked of a module once it is loaded."""

    warnings: list[str]

    def predict(self, *, paths: Sequence[str]) -> list[Any]: ...


class Loadable(Protocol):
    """The class of a module. A protocol, as `modules.base` imports this room."""

    info: Any

    def __call__(self, *, pull: bool) -> Loaded: ...


def main(cls: Loadable) -> None:
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
