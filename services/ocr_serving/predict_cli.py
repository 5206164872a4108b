"""`ocr-serving predict`: runs a module on image files in this process, without a server."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ocr_serving import files, images, results
from ocr_serving.config import ModuleConfig
from ocr_serving.errors import ConfigError, InputError, ServingError
from ocr_serving.modules.base import Module
from ocr_serving.modules.loader import find, load_module
from ocr_serving.validation import validated


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `predict`."""
    parser = subparsers.add_parser(
        "predict",
        help="run a module on images without a server",
        description="Run a module on images in this process and print the recognised lines; missing models are fetched first.",
    )
    option = parser.add_argument
    option("images", nargs="+", type=Path, metavar="FILE", help="an image file, or a folder of them")
    option("-m", "--module", default="ocr_system", metavar="NAME|DIR", help="a module, or the folder of yours (%(default)s)")
    option("--params", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override params.py, as in drop_score=0.3")
    option("--init", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="init_args, as in cpu_threads=2")
    option("--json", action="store_true", help="print one JSON object for each image instead of text")
    option("--visualize", action="store_true", help="write a picture of each result")
    option("--output", type=Path, metavar="DIR", help="write results as JSON to this folder (./ocr_result with --visualize)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit code is 1 if any image failed. Raises ServingError with a sentence where none could be read."""
    image_files = files.find_images(args.images)
    output = _output(args, image_files)
    module, arguments = _load(args)
    failed = 0
    for file in tqdm(image_files, unit="image", disable=len(image_files) == 1 or not sys.stderr.isatty()):
        try:
            entry = _predict(module, file, arguments, output)
        except ServingError as exc:
            failed += 1
            tqdm.write(str(exc), file=sys.stderr)
            continue
        if args.json:
            text = json.dumps({"image": str(file), "results": entry}, ensure_ascii=False)
        else:
            head = [f"{file}:"] if len(image_files) > 1 else []
            text = "\n".join([*head, *results.read(entry).lines])
        if text:
            tqdm.write(text, file=sys.stdout)
    return 1 if failed else 0


def _load(args: argparse.Namespace) -> tuple[Module, Mapping[str, Any]]:
    """The module and its `predict_args`, as the config.json of its folder says, with the options over that."""
    entry = validated(ModuleConfig, find(args.module).entry, where=f"config.json of {args.module}", error=ConfigError)
    init_args = dict(entry.init_args) | _pairs(args.init, "--init")
    params = dict(entry.params) | _pairs(args.params, "--params")
    return load_module(args.module, init_args=init_args, params=params), entry.predict_args


def _output(args: argparse.Namespace, image_files: list[Path]) -> files.Output | None:
    folder = args.output or (Path("./ocr_result") if args.visualize else None)
    if folder is None:
        return None
    font, missing = files.find_font() if args.visualize else (None, "")
    if missing:
        print(missing, file=sys.stderr)
    output = files.Output(folder, tuple(image_files), args.visualize, font)
    output.prepare()
    return output


def _predict(module: Module, file: Path, arguments: Mapping[str, Any], output: files.Output | None) -> Any:
    try:
        data = file.read_bytes()
    except OSError as exc:
        raise InputError(f"{file} cannot be read: {exc.strerror}.") from None
    image = images.from_bytes(data, where=str(file), limits=module.limits)
    if isinstance(image, images.Undecodable):
        raise InputError(f"{image.reason}.")
    module.begin_request()
    entry = module.predict([image], **arguments)[0]
    if output is not None:
        body = json.dumps({"msg": "", "results": [entry], "status": "000"}, ensure_ascii=False, separators=(",", ":"))
        output.write(file, data, body.encode("utf-8", "replace"), entry)
    return entry


def _pairs(words: list[str], option: str) -> dict[str, Any]:
    """`key=value` words as a mapping; a value is JSON (0.3, true, [1, 2]) or, failing that, the text itself. Raises InputError."""
    pairs: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise InputError(f"{option} takes key=value, not '{word}' (image files go before the options).")
        pairs[key] = _value(value)
    return pairs


def _value(text: str) -> Any:
    # Python's spelling of these three is what params.py has.
    try:
        return json.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))
    except ValueError:
        return text
