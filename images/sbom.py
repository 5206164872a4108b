"""Writes a software bill of materials for each image: `make sbom`. CycloneDX 1.6 in JSON, into build/sbom.

Listed are the packages of images/locked/ with the hashes of their wheels, ocr-serving or the operator itself, and the weights that
a module's default configuration asks for, with their SHA-256 and licence. What the base image brings is not: a builder lists that,
as `docker buildx build --sbom=true` does.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from ocr_serving import __version__, models
from ocr_serving.modules import loader

LOCKED = Path(__file__).parent / "locked"
FLAVORS = ("cpu", "gpu")


def locked(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Name, version and SHA-256 of each wheel, of the packages of a file in locked/."""
    for block in re.split(r"\n(?=\S)", text):
        if pin := re.match(r"([\w.-]+)==(\S+)", block):
            yield pin[1], pin[2], re.findall(r"--hash=sha256:([0-9a-f]{64})", block)


def licence_of(name: str) -> str:
    """What the installed package of that name says of its licence in a word or two, or ""."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return ""
    classifiers = (line.rpartition(" :: ")[2] for line in said.get_all("Classifier") or [] if line.startswith("License ::"))
    stated = [str(value) for key in ("License-Expression", "License") for value in said.get_all(key) or []]
    return next((value for value in [*stated, *classifiers] if 0 < len(value) < 60), "")


def package(name: str, version: str, digests: Sequence[str]) -> Component:
    """A Python package."""
    licence = licence_of(name)
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=PackageURL("pypi", name=name, version=version),
        bom_ref=f"pypi/{name}@{version}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in digests],
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
    )


def weights(name: str) -> list[Component]:
    """The files of a model of the catalogue, or nothing where it is the user's own."""
    entry = models.catalogue().get(name)
    return (
        []
        if entry is None
        else [
            Component(
                type=ComponentType.MACHINE_LEARNING_MODEL,
                name=f"{name}/{file.name}",
                bom_ref=f"model/{name}/{file.name}",
                description=entry.summary,
                copyright=entry.copyright,
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
                licenses=[LicenseFactory().make_from_string(entry.licence)],
            )
            for file in entry.files
        ]
    )


def bill(name: str, packages: str, named: Sequence[str] = ()) -> str:
    """The document of the image `name`: `packages` is a file of locked/, `named` are models."""
    bom = Bom()
    bom.metadata.component = Component(type=ComponentType.CONTAINER, name=name, version=__version__, bom_ref=name)
    own = "ocr-serving-operator" if name == "operator" else "ocr-serving"
    parts = [package(*entry) for entry in locked(packages)] + [package(own, __version__, ())]
    parts += [part for model in named for part in weights(model)]
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(bom.metadata.component, parts)
    return str(JsonV1Dot6(bom).output_as_string(indent=1))


def bills() -> Mapping[str, str]:
    """File name → document, of all images."""
    found = {"operator": bill("operator", (LOCKED / "operator.txt").read_text(encoding="utf-8"))}
    for flavor in FLAVORS:
        packages = (LOCKED / f"{flavor}.txt").read_text(encoding="utf-8")
        for module in loader.builtin_names():
            name = f"{module.replace('_', '-')}-{flavor}"
            found[name] = bill(name, packages, loader.weights(loader.find(module)))
    return {f"{name}.cdx.json": text for name, text in found.items()}


def main(arguments: Sequence[str]) -> int:
    """Write them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/sbom"), help="the folder to write to")
    out = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    made = bills()
    for name, text in made.items():
        (out / name).write_text(text, encoding="utf-8")
    print(f"{len(made)} bills of materials in {out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
