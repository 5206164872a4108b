"""Finds a module by its name or its folder, and loads it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ocr_serving import config, models
from ocr_serving.config.old_params import attributes
from ocr_serving.config.params import OCRParams
from ocr_serving.decoding import images
from ocr_serving.engines import OpenEngine
from ocr_serving.errors import ConfigError, ServingError
from ocr_serving.modules import paddlehub
from ocr_serving.modules.base import Module, params_beside
from ocr_serving.validation import did_you_mean

BUILTIN = Path(__file__).parent
FILES = ("__init__.py", "config.json", "module.py", "params.py")


@dataclass(frozen=True)
class ModuleFolder:
    """A module's folder, and the version that was asked for."""

    folder: Path
    version: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The folder's own config.json, without its `modules_info`. Raises ConfigError."""
        return {key: value for key, value in self._file.items() if key != "modules_info"}

    @property
    def entry(self) -> dict[str, Any]:
        """The entry of `modules_info`: init_args, predict_args, params.

        Its key need not be the folder's name, since people copy and rename folders. Raises ConfigError.
        """
        entries = self._file.get("modules_info", {})
        entry: object = next(iter(entries.values()), {}) if isinstance(entries, dict) else None
        if not isinstance(entry, dict):
            raise ConfigError(f"{self.folder / 'config.json'}: 'modules_info' must map a module's name to its arguments.")
        return entry

    @functools.cached_property
    def _file(self) -> dict[str, Any]:
        return config.read_file(self.folder / "config.json")


def builtin_names() -> list[str]:
    """Names of the modules that come with the package, sorted."""
    return sorted(folder.name for folder in BUILTIN.iterdir() if (folder / "module.py").is_file())


def find(spec: str) -> ModuleFolder:
    """The folder for `spec`: a name such as `ocr_system`, `ocr_system==1.0.0`, or a path such as `./my_module`.

    Raises ConfigError with a sentence.
    """
    name, _, version = spec.partition("==")
    is_path = "/" in name or name.startswith(".")
    folder = Path(name).expanduser().resolve() if is_path else BUILTIN / name
    if not is_path and name not in builtin_names():
        if not (Path(name) / "module.py").is_file():
            known = builtin_names()
            names = ", ".join(known)
            raise ConfigError(
                f"There is no module '{name}'{did_you_mean(name, known)}: take one of {names}, or the path of a folder."
            )
        folder = Path(name).resolve()
    for file in FILES:
        if not (folder / file).is_file():
            raise ConfigError(f"{folder} is not a module: it has no {file} (a module is {', '.join(FILES)}).")
    if folder.parent != BUILTIN and (told := paddlehub.advice(folder)):
        raise ConfigError(told)
    return ModuleFolder(folder, version or None)


def load_class(found: ModuleFolder) -> type[Module]:
    """Import `module.py` of a folder and return the class marked with `@moduleinfo`. Raises ConfigError with a sentence."""
    code = _import(found.folder)
    classes = [
        item
        for item in vars(code).values()
        if inspect.isclass(item) and issubclass(item, Module) and "info" in vars(item) and item.__module__ == code.__name__
    ]
    if len(classes) != 1:
        raise ConfigError(f"{found.folder}/module.py must have exactly one class with @moduleinfo, it has {len(classes)}.")
    cls = classes[0]
    if found.version is not None and found.version != cls.info.version:
        raise ConfigError(
            f"Module {cls.info.name} has version {cls.info.version}, not {found.version}: leave the version out or correct it."
        )
    return cls


def weights(found: ModuleFolder) -> list[str]:
    """Models of the catalogue that a module's params.py asks for, by name or by its model set; folders are not among them.

    Raises ConfigError with a sentence.
    """
    asked = attributes(params_beside(str(found.folder / "params.py"))())
    chosen = models.model_sets().get(asked.get("model_set", models.DEFAULT_SET))
    fields = [field for field in asked if field.endswith("_model_dir")]
    named = [str(asked[field] or getattr(chosen, OCRParams.FROM_SET.get(field, ""), "")) for field in fields]
    named.append(models.languages().get(asked.get("lang") or "", ""))
    return [name for name in named if name in models.catalogue()]


def load_module(
    spec: str,
    *,
    init_args: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    limits: images.Limits | None = None,
    pull: bool = True,
    open_engine: OpenEngine | None = None,
) -> Module:
    """Load the module `spec` with its models. `pull` fetches catalogue models that are missing, with a progress bar; `open_engine`
    loads the networks, in this process where it is None.

    Raises ConfigError or ModelError with a sentence.
    """
    found = find(spec)
    cls = load_class(found)
    args = dict(init_args or {})
    version = args.pop("version", None)
    if version is not None and version != cls.info.version:
        raise ConfigError(f"init_args of {cls.info.name} ask for version {version}, but its module.py is {cls.info.version}.")
    known = [name for name in inspect.signature(cls._initialize).parameters if name != "self"]
    for name in args:
        if name not in known:
            raise ConfigError(f"init_args of {cls.info.name}: unknown key '{name}'{did_you_mean(name, known)}.")
    try:
        return cls(init_args=args, params=params, limits=limits, pull=pull, open_engine=open_engine)
    except ServingError:
        raise
    except TypeError as exc:
        raise ConfigError(f"init_args of {cls.info.name}: {exc}.") from exc


def _import(folder: Path) -> ModuleType:
    package = f"ocr_serving.modules.{folder.name}" if folder.parent == BUILTIN else f"ocr_serving_user_{abs(hash(folder))}"
    try:
        if folder.parent != BUILTIN and package not in sys.modules:
            spec = importlib.util.spec_from_file_location(package, folder / "__init__.py", submodule_search_locations=[str(folder)])
            if spec is None or spec.loader is None:
                raise ConfigError(f"{folder} cannot be imported.")
            sys.modules[package] = loaded = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(loaded)
        return importlib.import_module(f"{package}.module")
    except ServingError:
        raise
    except Exception as exc:
        raise ConfigError(f"{folder}/module.py does not import: {type(exc).__name__}: {exc}.") from exc
