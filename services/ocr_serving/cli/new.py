"""`ocr-serving new`: a module of one's own, as a copy of one that comes with the package."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path

from ocr_serving.cli.words import say
from ocr_serving.errors import ConfigError
from ocr_serving.modules import loader
from ocr_serving.modules.loader import FILES

FURTHER = 200
"""What is added to the port of the original, so that both can run."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `new`."""
    parser = commands.add_parser("new", help="copy a module, to make one of your own of it")
    option = parser.add_argument
    option("module", help="the module to begin with: a name of `ocr-serving modules`, or a folder")
    option("folder", type=Path, nargs="?", help="where the copy goes; its last part is the name (default: my_MODULE)")
    option("-p", "--port", type=int, help=f"its port (default: that of the original and {FURTHER})")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Copy a module's four files, renamed. Raises ConfigError."""
    original = loader.find(args.module)
    info = loader.load_class(original).info
    folder: Path = args.folder or Path(f"my_{info.name}")
    name = folder.resolve().name
    if not name.isidentifier() or not name.isascii():
        raise ConfigError(f"'{name}' cannot be the name of a module: take letters, digits and _, as in my_{info.name}.")
    if folder.exists():
        raise ConfigError(f"{folder} is there already: name another folder, or remove it.")
    try:
        folder.mkdir(parents=True)
        for file in FILES:
            shutil.copyfile(original.folder / file, folder / file)
        code = folder / "module.py"
        text = code.read_text(encoding="utf-8")
        named = rf"(@moduleinfo\([^)]*?name\s*=\s*)(['\"]){re.escape(info.name)}\2"
        code.write_text(re.sub(named, rf"\g<1>\g<2>{name}\g<2>", text, count=1), encoding="utf-8")
        settings = dict(original.settings)
        settings["port"] = args.port or original.settings.get("port", 8866) + FURTHER
        settings["modules_info"] = {name: original.entry}
        (folder / "config.json").write_text(json.dumps(settings, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{folder} cannot be written: {exc.strerror}.") from None
    shown = folder if folder.is_absolute() else f"./{folder}"
    say(f"{shown} is a copy of {info.name} called {name}: predict is in its module.py, parameters are in its params.py")
    say(f"serve it with: ocr-serving start -m {shown}")
    return 0
