"""Where models lie on this machine, and whether they are whole.

A store is a folder with one folder per model. Several are searched in turn, and the first is where new models go. Beside a
model's files lies `.model.json`, which says where they came from, their hashes, and the size and modification time they had
when they were last hashed: while those fit, `resolve` does not read the files again. Everything here works on a store that
cannot be written.
"""

import contextlib
import difflib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from ocr_serving import atomic
from ocr_serving.data import PACKAGED
from ocr_serving.errors import ModelError
from ocr_serving.models.catalogue import Model, ModelFile, catalogue, model_sets

MANIFEST = ".model.json"
_LOOSE_FILES = {".onnx", ".otf", ".ttc", ".ttf"}


class StoredFile(BaseModel):
    """A file as it was when it was last hashed; `mtime` in whole seconds, which is what an image layer keeps."""

    model_config = ConfigDict(frozen=True)

    size: int
    sha256: str
    mtime: int


class Manifest(BaseModel):
    """What `.model.json` holds; `files` by path inside the model's folder, with forward slashes."""

    model_config = ConfigDict(frozen=True)

    kind: str
    source: str
    files: Mapping[str, StoredFile]


def store_root() -> Path:
    """The store that models are pulled into: the first of `store_roots`. Raises ModelError as that does."""
    return store_roots()[0]


def store_roots() -> tuple[Path, ...]:
    """The stores of this machine, at least one: the folders of $OCR_SERVING_MODELS, a path list as $PATH is, or
    `ocr-serving/models` in the user's cache folder.

    Raises ModelError where neither variable nor a home directory is known.
    """
    named = [part for part in os.environ.get("OCR_SERVING_MODELS", "").split(os.pathsep) if part]
    if named:
        return tuple(Path(part).absolute() for part in named)
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():
        try:
            cache = Path.home() / ".cache"
        except RuntimeError:
            raise ModelError("No folder for models is known, as this user has no home; set OCR_SERVING_MODELS to one.") from None
    return (cache / "ocr-serving" / "models",)


def stored_names() -> list[str]:
    """Every name that has a model's folder in a store, whole or not."""
    names: set[str] = set()
    for root in store_roots():
        try:
            entries = list(root.iterdir())
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise ModelError(f"Cannot read the models in {root}: {exc.strerror}.") from None
        names.update(entry.name for entry in entries if (entry / MANIFEST).is_file() or entry.name in catalogue())
    return sorted(names)


def home(name: str) -> Path:
    """The folder of a model: in this package for one that comes with it, else in the first store that has one of its name.

    Where none has, it is the folder that a pull would make. Raises ModelError where a store cannot be looked at.
    """
    if is_packaged(name):
        return PACKAGED / name
    roots = store_roots()
    for root in roots:
        with _as_model_error(root / name):
            if (root / name).is_dir():
                return root / name
    return roots[0] / name


def entry_of(folder: Path) -> Model | None:
    """What the catalogue says of the model in `folder`, where that is where the store has it; None of a user's own."""
    entry = catalogue().get(folder.name)
    return entry if entry is not None and home(folder.name) == folder else None


def is_packaged(name: str) -> bool:
    """Whether the model comes with this package."""
    entry = catalogue().get(name)
    return entry is not None and entry.packaged


def is_present(name: str) -> bool:
    """Whether there is a folder for the model, whole or not."""
    folder = home(name)
    with _as_model_error(folder):
        return folder.is_dir()


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a model's folder, or None where it is missing or damaged."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `.model.json` in one step, readable for everyone who may read the folder."""
    atomic.write(folder / MANIFEST, (manifest.model_dump_json(indent=1) + "\n").encode(), mode=0o644)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(folder: Path, *, kind: str, source: str) -> Manifest:
    """The manifest of what lies in `folder` now; hashes every file."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            stat = path.stat()
            files[path.relative_to(folder).as_posix()] = StoredFile(
                size=stat.st_size, sha256=sha256_of(path), mtime=int(stat.st_mtime)
            )
    return Manifest(kind=kind, source=source, files=files)


def problems(name: str, *, thorough: bool) -> list[str]:
    """What is wrong with a model of the store, one phrase each; empty when it is whole.

    `thorough` hashes every file. Otherwise only those whose size or time differ from the manifest's, or that it does
    not know, and the manifest is brought up to date where the store may be written.
    """
    folder = home(name)
    manifest = read_manifest(folder)
    known = dict(manifest.files) if manifest else {}
    expected = _expected(name, manifest)
    if expected is None:
        return [f"{MANIFEST} is missing or damaged"]
    found: list[str] = []
    renewed = False
    for file in expected:
        path = folder / file.name
        try:
            stat = path.stat()
            if file.size is not None and stat.st_size != file.size:
                found.append(f"{file.name} has {stat.st_size} bytes, not {file.size}")
                continue
            now = StoredFile(size=stat.st_size, sha256=file.sha256, mtime=int(stat.st_mtime))
            if not thorough and known.get(file.name) == now:
                continue
            if sha256_of(path) != file.sha256:
                found.append(f"{file.name} has the wrong SHA-256")
                continue
        except FileNotFoundError:
            found.append(f"{file.name} is missing")
            continue
        except OSError as exc:
            found.append(f"{file.name} cannot be read ({exc.strerror})")
            continue
        renewed = renewed or known.get(file.name) != now
        known[file.name] = now
    if renewed and not found and not is_packaged(name):
        entry = catalogue().get(name)
        kind, source = (manifest.kind, manifest.source) if manifest else (entry.kind if entry else "own", "unknown")
        with contextlib.suppress(OSError):
            write_manifest(folder, Manifest(kind=kind, source=source, files=known))
    return found


def _expected(name: str, manifest: Manifest | None) -> list[ModelFile] | None:
    entry = catalogue().get(name)
    if entry:
        return list(entry.files)
    if manifest is None:
        return None
    # model_construct: a user's archive may hold paths that the catalogue would not take as names.
    return [ModelFile.model_construct(name=path, size=file.size, sha256=file.sha256) for path, file in manifest.files.items()]


class LocalModel(NamedTuple):
    """A model on this machine: its name, its folder (or single file), absolute, and what the catalogue says of it, or None."""

    name: str
    path: Path
    entry: Model | None = None


def resolve(spec: str, *, root: Path | None = None) -> LocalModel:
    """A model that is on this machine.

    `spec` is a name of the catalogue, whose folder in the store is found once its files are known to be whole; or
    the path of a folder, an .onnx file or a font, taken relative to the working directory, then to `root`; or a name
    that `pull` gave to a model of the user's, with or without a path inside it. One that is given by a path is called as that ends.

    Raises ModelError with what to do: no such name, not pulled yet, damaged, or no such path.
    """
    if spec in catalogue():
        return LocalModel(spec, _whole(spec), catalogue()[spec])
    if spec in model_sets():
        names = ", ".join(model_sets()[spec].models)
        raise ModelError(f"{spec} is a set of models where one model is needed; name one of {names}.")
    if not spec.strip() or "\0" in spec:
        raise ModelError("A model has an empty name or path; give a name from `ocr-serving models list` or a path.")
    path = Path(spec)
    with contextlib.suppress(RuntimeError):
        path = path.expanduser()
    tried = []
    for base in (Path.cwd(), root.absolute() if root else None):
        candidate = base / path if base else None
        if candidate is None or candidate in tried:
            continue
        tried.append(candidate)
        with _as_model_error(candidate):
            if candidate.exists():
                return LocalModel(candidate.name, _usable(candidate), entry_of(candidate))
    if not path.is_absolute() and path.parts and path.parts[0] in _own_names():
        stored = _whole(path.parts[0]) / Path(*path.parts[1:])
        if stored.exists():
            return LocalModel(path.parts[0], stored)
        tried.append(stored)
    raise ModelError(_not_found(spec, tried))


def _own_names() -> list[str]:
    try:
        return stored_names()
    except ModelError:
        return []


def _whole(name: str) -> Path:
    folder = home(name)
    if not is_present(name):
        raise ModelError(f"Model {name} is not on this machine; run `ocr-serving models pull {name}`.")
    found = problems(name, thorough=False)
    if found:
        remedy = f"run `ocr-serving models pull {name}`" if name in catalogue() else "pull it again"
        remedy = "install ocr-serving again" if is_packaged(name) else remedy
        raise ModelError(f"Model {name} in {folder} is damaged ({'; '.join(found)}); {remedy}.")
    return folder


def _usable(path: Path) -> Path:
    if path.is_dir() or (path.is_file() and path.suffix.lower() in _LOOSE_FILES):
        return path
    raise ModelError(f"{path} is neither a folder nor an .onnx file; give the folder that holds the model.")


def _not_found(spec: str, tried: list[Path]) -> str:
    where = " or ".join(str(path) for path in tried)
    if Path(spec).name != spec:
        return f"No model is at {where}; put its folder there or correct the path."
    near = difflib.get_close_matches(spec, catalogue(), n=1)
    hint = f"did you mean {near[0]}?" if near else "`ocr-serving models list` shows the names."
    return f"{spec} is not a model of the catalogue, and there is no such path (tried {where}); {hint}"


@contextlib.contextmanager
def _as_model_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise ModelError(f"Cannot look at {path}: {exc.strerror}.") from None
