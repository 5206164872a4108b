"""`ocr-serving predict`: runs a module on image files in this process, without a server."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ocr_serving import config
from ocr_serving.cli import summary
from ocr_serving.cli.summary import Tally
from ocr_serving.config import ModuleConfig
from ocr_serving.decoding import images, pages
from ocr_serving.errors import ConfigError, InputError, ServingError
from ocr_serving.modules.base import Module
from ocr_serving.modules.loader import find, load_module
from ocr_serving.output import build, files, folder, formats, results
from ocr_serving.output.tree import Page
from ocr_serving.validation import validated

DEFAULT_OUTPUT = Path("./ocr_result")

FORMS = [form for form in formats.FORMATS if form != "json"]
"""Of a document, beside the answer itself, which is in JSON."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `predict`."""
    parser = commands.add_parser(
        "predict",
        help="run a module on images without a server",
        description="Run a module on images or PDFs in this process, print the recognised lines; missing models are fetched first.",
    )
    option = parser.add_argument
    option("images", nargs="+", type=Path, metavar="FILE", help="an image file or PDF, or a folder of them")
    option("-m", "--module", default="ocr_system", metavar="NAME|DIR", help="a module, or the folder of yours (%(default)s)")
    option("--params", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override params.py, as in drop_score=0.3")
    option("--init", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="init_args, as in cpu_threads=2")
    option("--json", action="store_true", help="print one JSON object for each image instead of text")
    option("--offline", action="store_true", help="never fetch models that are missing")
    option("--visualize", action="store_true", help="write a picture of each result")
    option("--to", choices=FORMS, help="write the document that structure_system sees, with its figures")
    option(
        "--pdf_dpi",
        type=files.dpi,
        default=images.Limits().pdf_dpi,
        metavar="N",
        help="render PDFs at this resolution (%(default)s)",
    )
    option(
        "--output",
        type=Path,
        metavar="DIR",
        help="write results as JSON, and tables as .xlsx and .html, to this folder (./ocr_result with --visualize or --to)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit code is 1 if any image failed. Raises ServingError with a sentence where none could be read."""
    found = files.find_images(args.images, args.output or DEFAULT_OUTPUT)
    image_files = [source.file for source in found.sources]
    output = _output(args, found)
    module, arguments = _load(args)
    module.limits = images.Limits(max_pdf_pages=files.MOST_PAGES, pdf_dpi=args.pdf_dpi)
    tally = Tally()
    # What many files say is in the folder, where there is one.
    is_printed = args.json or output is None or len(image_files) == 1
    for file in tqdm(image_files, unit="image", disable=len(image_files) == 1 or not sys.stderr.isatty()):
        head = [f"{file}:"] if len(image_files) > 1 and not args.json else []
        try:
            for entry, number in _predict(module, file, arguments, output, args.to):
                named = {"image": str(file)} | ({} if number is None else {"page": number})
                lines = [json.dumps(named | {"results": entry}, ensure_ascii=False)] if args.json else results.read(entry).lines
                if is_printed and (head or lines):
                    tqdm.write("\n".join([*head, *lines]), file=sys.stdout)
                head = []
                tally.pages += 1
            tally.read += 1
        except ServingError as exc:
            tally.failed.append((file, str(exc)))
            if len(image_files) == 1:
                print(exc, file=sys.stderr)
    if len(image_files) > 1:
        summary.tell(tally, found.others, file=sys.stderr)
    return tally.exit_code


def _load(args: argparse.Namespace) -> tuple[Module, Mapping[str, Any]]:
    """The module and its `predict_args`, as the config.json of its folder says, with the options over that."""
    entry = validated(ModuleConfig, find(args.module).entry, where=f"config.json of {args.module}", error=ConfigError)
    init_args = dict(entry.init_args) | _pairs(args.init, "--init")
    params = dict(entry.params) | _pairs(args.params, "--params")
    pull = not (args.offline or config.is_offline(os.environ))
    return load_module(args.module, init_args=init_args, params=params, pull=pull), entry.predict_args


def _output(args: argparse.Namespace, found: folder.FoundFiles) -> files.Output | None:
    place = args.output or (DEFAULT_OUTPUT if args.visualize or args.to else None)
    if place is None:
        return None
    font, missing = files.find_font() if args.visualize else (None, "")
    if missing:
        print(missing, file=sys.stderr)
    output = files.Output(place, found.sources, args.visualize, font)
    output.prepare()
    return output


def _predict(
    module: Module, file: Path, arguments: Mapping[str, Any], output: files.Output | None, form: str | None
) -> Iterator[tuple[Any, int | None]]:
    """The entries of `file`, each with the number of its page where it is a PDF; when all are there, `output` has them too."""
    try:
        data = file.read_bytes()
    except OSError as exc:
        raise InputError(f"{file} cannot be read: {exc.strerror}.") from None
    entries: list[Any] = []
    read: list[Page] = []
    shown: list[images.Image | None] = []
    for page in pages.from_bytes(data, where=str(file), limits=module.limits):
        number = len(entries) + 1 if pages.has_pages(data) else None
        if isinstance(page, pages.LostPage):
            # The others are read all the same.
            tqdm.write(f"{page.reason}.", file=sys.stderr)
            entries.append([])
            yield [], number
            continue
        if isinstance(page, images.Undecodable):
            raise InputError(f"{page.reason}.")
        if isinstance(page, pages.Remark):
            tqdm.write(f"{page.text}.", file=sys.stderr)
            continue
        module.begin_request()
        entry = module.predict([page], **arguments)[0]
        for warning in module.warnings:
            tqdm.write(f"{file}: {warning}.", file=sys.stderr)
        entries.append(entry)
        yield entry, number
        if output is not None and output.visualize:
            output.picture(file, page, entry, number)
        if form:
            read.append(build.page(entry, page, number=len(read) + 1))
            shown.append(page if form == "pdf" and number is None else None)
    if output is not None:
        body = json.dumps({"msg": "", "results": entries, "status": "000"}, ensure_ascii=False, separators=(",", ":"))
        output.answer(file, body.encode("utf-8", "replace"), entries, html=form != "html")
        if form:
            original = (
                formats.Original(pdf=data, limits=module.limits)
                if pages.is_pdf(data)
                else formats.Original(files=[data] + [b""] * (len(shown) - 1), images=shown)
            )
            tqdm.write(f"Wrote {output.document(file, form, read, original)}.", file=sys.stderr)


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
