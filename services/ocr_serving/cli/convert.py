"""`ocr-serving convert`: folders of documents into files an office can use."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import sys
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from ocr_serving import __version__, config, machine
from ocr_serving.cli import interrupts, readers, summary
from ocr_serving.cli.client import _at_least, _seconds
from ocr_serving.cli.interrupts import Held
from ocr_serving.cli.predict import _pairs
from ocr_serving.cli.summary import Tally
from ocr_serving.client import UnreachableError
from ocr_serving.decoding import images, pdf_text
from ocr_serving.decoding.images import Limits
from ocr_serving.errors import InputError, ServingError
from ocr_serving.output import files, folder, formats
from ocr_serving.output.folder import Journal, NoRoomError, Source, State
from ocr_serving.output.job import Job, Sheet
from ocr_serving.output.reading import PDF_TEXT

AHEAD = 2
"""Pages decoded and waiting, for each that is being read."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `convert`."""
    parser = commands.add_parser(
        "convert",
        help="turn documents and folders of them into docx, xlsx, searchable PDF, …",
        description="Read images and PDFs, with all folders inside those named, and write each in the formats asked for. "
        "What is done and unchanged is skipped, so that the command can be given again.",
    )
    option = parser.add_argument
    option("paths", nargs="+", type=Path, metavar="PATH", help="an image or PDF, or a folder of them")
    option("-o", "--output", required=True, type=Path, metavar="DIR", help="where documents are written, in folders as they were")
    option("--to", required=True, metavar="FORMAT,…", help=f"one or more of {', '.join(formats.FORMATS)}")
    option("--server", default="", metavar="URL", help="let a running service read: http://HOST:PORT")
    option("-j", "--jobs", type=_at_least(1), metavar="N", help="pages read at a time (one for each core, 4 with --server)")
    option("--pdf_text", choices=PDF_TEXT, default="auto", help="a PDF's own text: where it is sound, never, only (%(default)s)")
    option("--pdf_dpi", type=files.dpi, default=images.Limits().pdf_dpi, metavar="N", help="render PDFs at this (%(default)s)")
    option("--no_join_tables", dest="join_tables", action="store_false", help="leave tables that go on on the next page in parts")
    option(
        "--no_join_paragraphs",
        dest="join_paragraphs",
        action="store_false",
        help="leave paragraphs over columns and pages in parts",
    )
    option("--fields", action="store_true", help="look for questions and answers too (kie_ser_re), for json and xlsx")
    option("--force", action="store_true", help="convert what is done already too")
    option("--params", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override params.py, as in drop_score=0.3")
    option("--init", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="init_args, as in engine=onnxruntime")
    option("--offline", action="store_true", help="never fetch models that are missing")
    option("--api_key", default=os.environ.get("OCR_SERVING_API_KEY", ""), metavar="KEY", help="or OCR_SERVING_API_KEY")
    option(
        "--timeout",
        type=_seconds,
        default=120.0,
        metavar="SECONDS",
        help="wait this long for a service's answer, and for one that has gone while a page is asked (%(default)g)",
    )
    option("--retries", type=_at_least(0), default=3, metavar="N", help="ask a full service again N times (%(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 where a document could not be read, 130 where it was interrupted. Raises ServingError."""
    forms = formats.named(args.to)
    wanted = _wanted(args, forms)
    # Not Path.resolve, which raises where links lead to each other.
    output = os.path.realpath(args.output)
    if any(os.path.realpath(path) == output and path.is_dir() for path in args.paths):
        # Results would be taken for documents the next time, or be written over some.
        other = args.output / "converted"
        raise InputError(f"--output {args.output} is a folder that is read: name another, which may be in it, such as {other}.")
    seen = folder.found(args.paths, args.output)
    if not seen.sources:
        if seen.unreadable:
            file, why = seen.unreadable[0]
            raise InputError(f"{file} {why}: let it be read, or name another.")
        kinds = ", ".join(suffix[1:] for suffix in folder.SUFFIXES)
        raise InputError(f"{args.paths[0]} holds no documents ({kinds}){summary.others(seen.others)}.")
    with _made(args.output):
        journal = Journal(args.output, _fingerprint(wanted, forms, args))
    tally = Tally(failed=list(seen.unreadable))
    todo = _todo(seen.sources, journal, tally, force=args.force)
    try:
        with interrupts.heeded() as held:
            _convert(todo, journal, tally, wanted, forms, args, {source.file.resolve() for source in seen.sources}, held)
    except (KeyboardInterrupt, NoRoomError, UnreachableError) as exc:
        if tally.read or isinstance(exc, KeyboardInterrupt):
            summary.tell(tally, seen.others, to_go=len(todo) - tally.read - len(tally.failed) + len(seen.unreadable))
        if not isinstance(exc, KeyboardInterrupt):
            raise
        return 130
    summary.tell(tally, seen.others)
    return tally.exit_code


def _wanted(args: argparse.Namespace, forms: Sequence[str]) -> readers.Wanted:
    structure = any(formats.FORMATS[form].needs_structure for form in forms)
    return readers.Wanted(
        module="structure_system" if structure else "ocr_system",
        structure=structure,
        pdf_text=args.pdf_text,
        fields=args.fields,
        params=_pairs(args.params, "--params"),
        init_args=_pairs(args.init, "--init"),
        offline=args.offline or config.is_offline(os.environ),
    )


def _fingerprint(wanted: readers.Wanted, forms: Sequence[str], args: argparse.Namespace) -> str:
    """What decides how a document is written, in short."""
    about = [__version__, sorted(forms), wanted.module, wanted.pdf_text, wanted.fields, args.pdf_dpi]
    settings = [sorted(wanted.params.items()), sorted(wanted.init_args.items())]
    return hashlib.sha256(
        json.dumps([*about, *settings, args.server, args.join_tables, args.join_paragraphs], default=str).encode()
    ).hexdigest()[:16]


@contextlib.contextmanager
def _made(out: Path) -> Iterator[None]:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InputError(f"--output {out} cannot be made: {exc.strerror}.") from None
    yield


def _todo(sources: Sequence[Source], journal: Journal, tally: Tally, *, force: bool) -> list[tuple[Source, State]]:
    todo = []
    for source in sources:
        try:
            state = State.of(source.file)
        except OSError as exc:
            tally.failed.append((source.file, f"cannot be read: {exc.strerror}."))
            continue
        if not force and journal.is_done(source, state):
            tally.skipped += 1
        else:
            todo.append((source, state))
    return todo


@dataclass
class _Open:
    """A document whose pages are being read."""

    source: Source
    state: State
    job: Job
    left: int = 0
    complete: bool = False


def _convert(
    todo: Sequence[tuple[Source, State]],
    journal: Journal,
    tally: Tally,
    wanted: readers.Wanted,
    forms: Sequence[str],
    args: argparse.Namespace,
    read: Collection[Path],
    held: Held,
) -> None:
    """Convert documents, over none of those that are `read`."""
    if not todo:
        return
    limits = Limits(max_pdf_pages=files.MOST_PAGES, pdf_dpi=args.pdf_dpi)
    with (
        _pages(args, wanted, len(todo)) as reading,
        tqdm(total=_page_count(todo), unit="page", disable=not sys.stderr.isatty(), dynamic_ncols=True) as bar,
    ):
        waiting: deque[tuple[_Open, Sheet, Future[readers.Answer]]] = deque()

        def settle() -> None:
            document, sheet, future = waiting.popleft()
            _settle(document, sheet, future)
            bar.update()
            bar.set_postfix_str(f"{tally.read} read, {len(tally.failed)} failed")
            _close(document, args.output, journal, tally, read, held)

        for source, state in todo:
            document = _opened(source, state, forms, limits, args, tally)
            if document is None:
                bar.update()
                continue
            try:
                for sheet in document.job.sheets():
                    if sheet.image is None:
                        document.job.miss(sheet, sheet.why)
                        bar.update()
                        continue
                    document.left += 1
                    waiting.append((document, sheet, reading.submit(sheet.image, sheet.text)))
                    if len(waiting) >= AHEAD * reading.width:
                        settle()
            except (NoRoomError, UnreachableError):
                # Of a document before this one, and of all that follow.
                raise
            except ServingError as exc:
                # A file too large is refused whole.
                document.job.remarks.insert(0, str(exc))
                document.job.faults += not document.job.page_count
                if not document.left and not document.job.page_count:
                    tally.failed.append((source.file, str(exc)))
                    bar.update()
                    continue
            document.complete = True
            _close(document, args.output, journal, tally, read, held)
        while waiting:
            settle()


def _page_count(todo: Sequence[tuple[Source, State]]) -> int | None:
    """Pages in all, for a bar that somebody sees; of a picture that is one of several in its file, the file's."""
    if not sys.stderr.isatty():
        return None
    pdfs = [source.file for source, _ in todo if source.file.suffix.lower() == ".pdf"]
    return len(todo) - len(pdfs) + sum(pdf_text.counts(pdfs))


@contextlib.contextmanager
def _pages(args: argparse.Namespace, wanted: readers.Wanted, documents: int) -> Iterator[readers.Pages]:
    if args.server:
        url = _address(args.server)
        about = {"api_key": args.api_key, "timeout": args.timeout, "retries": args.retries}
        with readers.by_service(wanted, url, args.jobs or 4, **about) as pages:
            yield pages
        return
    jobs = args.jobs or machine.worker_count(machine.cpu_count(), machine.memory_bytes())
    # A single page is read before a second process has loaded the models.
    with readers.on_this_machine(wanted, jobs if documents > 1 or args.jobs else 1) as pages:
        yield pages


def _address(text: str) -> str:
    """A service's address without the path of a module. Raises InputError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError(f"--server takes a URL such as http://127.0.0.1:8868, not '{text}'.")
    return f"{parts.scheme}://{parts.netloc}{parts.path.split('/predict')[0].rstrip('/')}"


def _opened(
    source: Source, state: State, forms: Sequence[str], limits: Limits, args: argparse.Namespace, tally: Tally
) -> _Open | None:
    try:
        data = source.file.read_bytes()
    except OSError as exc:
        tally.failed.append((source.file, f"cannot be read: {exc.strerror}."))
        return None
    joins = formats.Joins(args.join_tables, args.join_paragraphs)
    job = Job(source.target.name, data, forms, limits, args.pdf_text, joins, where=str(source.file))
    return _Open(source, state, job)


def _settle(document: _Open, sheet: Sheet, future: Future[Any]) -> None:
    """Put what came of a page into its document. Raises UnreachableError where nothing more will come."""
    document.left -= 1
    try:
        answer: readers.Answer = future.result()
        document.job.take(sheet, answer.entry, answer.remarks, answer.fields)
    except UnreachableError:
        raise
    except BrokenProcessPool:
        raise UnreachableError("A process that reads pages was ended, perhaps for want of memory: take fewer --jobs.") from None
    except ServingError as exc:
        document.job.miss(sheet, str(exc))


def _close(document: _Open, out: Path, journal: Journal, tally: Tally, read: Collection[Path], held: Held) -> None:
    """Write a document of which all pages are there, over none of those that are `read`."""
    if document.left or not document.complete:
        return
    document.complete = False
    try:
        made = document.job.files()
    except ServingError as exc:
        tally.failed.append((document.source.file, str(exc)))
    except Exception as exc:  # noqa: BLE001  what nobody foresaw in one document is no reason to leave out all others
        forms = ", ".join(document.job.forms)
        tally.failed.append((document.source.file, f"cannot be written as {forms}: {type(exc).__name__}: {exc}"))
    else:
        with held():
            _write(document, made, out, journal, tally, read)


def _write(document: _Open, made: formats.Files, out: Path, journal: Journal, tally: Tally, read: Collection[Path]) -> None:
    """Write the files of a document, and note that it is done. Raises NoRoomError."""
    job, source = document.job, document.source
    try:
        names = folder.write(out, source.target, made, read)
    except NoRoomError:
        # Pages that are read for nothing cost hours.
        raise
    except ServingError as exc:
        tally.failed.append((source.file, str(exc)))
        return
    tally.pages += job.page_count - job.faults
    tally.remarks += [(source.file, remark) for remark in job.remarks]
    tally.read += 1
    if job.faults:
        tally.failed.append((source.file, f"{job.faults} of {job.page_count} pages: {job.remarks[0]}"))
    else:
        journal.note(source, document.state, names)
