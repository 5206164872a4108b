"""`ocr-serving modules`: the modules that come with the package."""

from __future__ import annotations

import argparse

from ocr_serving.modules import loader


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `modules`."""
    parser = commands.add_parser("modules", help="list the modules that come with the package")
    parser.set_defaults(run=run)


def run(_args: argparse.Namespace) -> int:
    """Print a table of the modules that come with the package."""
    for name in loader.builtin_names():
        found = loader.find(name)
        info = loader.load_class(found).info
        print(f"{name:17} {found.settings.get('port', ''):>5}  {info.version}  {info.summary}")
    return 0
