"""`ocr-operator diff`: what this version of the operator, with these flags, would change in a cluster. It writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from ocr_operator.api.allowed import Allowed
from ocr_operator.api.spec import Settings, SpecError, parse
from ocr_operator.desired.render import render
from ocr_operator.kube import Kube, connect
from ocr_operator.loop.children import wanted_beside
from ocr_operator.loop.rollouts import serving
from ocr_operator.metrics import Metrics
from ocr_operator.names import HASH_ANNOTATION, KIND
from ocr_operator.observed.drift import differences
from ocr_operator.observed.live import live_of

HASH_PATH = f"metadata.annotations.{HASH_ANNOTATION}"


def diff(namespaces: Sequence[str], settings: Settings, allowed: Allowed | None = None) -> list[str]:
    """A line for each object that would be made or changed; `namespaces` empty means all."""
    return asyncio.run(_diff(namespaces, settings, allowed or Allowed()))


async def _diff(namespaces: Sequence[str], settings: Settings, allowed: Allowed) -> list[str]:
    async with connect(Metrics()) as kube:
        kube.may_write = lambda: False
        return [line for namespace in namespaces or (None,) for line in await _of_namespace(kube, namespace, settings, allowed)]


async def _of_namespace(kube: Kube, namespace: str | None, settings: Settings, allowed: Allowed) -> list[str]:
    lines: list[str] = []
    async for page in kube.pages(KIND, namespace):
        for body in page:
            lines += await of_service(kube, body, settings, allowed)
    return lines


async def of_service(kube: Kube, body: dict[str, Any], settings: Settings, allowed: Allowed | None = None) -> list[str]:
    """The lines of one OCRService."""
    where = f"{body['metadata']['namespace']}/{body['metadata']['name']}"
    try:
        service = parse(body)
        (allowed or Allowed()).check(service, settings)
        manifests = render(serving(service, body), settings)
    except SpecError as error:
        return [f"{where}: {error}"]
    lines = []
    for manifest in manifests:
        metadata = manifest["metadata"]
        found = await kube.get(manifest["kind"], metadata["namespace"], metadata["name"])
        live = None if found is None else live_of(found)
        told = f"{where}: {manifest['kind']} {metadata['name']}"
        if live is None:
            lines.append(f"{told}: would be created")
            continue
        wanted = wanted_beside(manifest, live, manifests)
        paths = {path: value for path, value in differences(wanted, live).items() if path != HASH_PATH}
        lines += [f"{told}: {path}: {_short(value)} would be {_short(_at(wanted, path))}" for path, value in paths.items()]
    return lines


def _at(manifest: Any, path: str) -> Any:
    """What `manifest` says at `path`, as `differences` writes it."""
    value = manifest
    for part in _parts(path):
        if isinstance(value, dict):
            # Keys with dots in them, such as those of annotations, are what is left of the path.
            value = value.get(part, value.get(path.partition("annotations.")[2] or path.partition("labels.")[2]))
        elif isinstance(value, list):
            named = [item for item in value if isinstance(item, dict) and part in map(str, item.values())]
            value = named[0] if named else value[int(part)] if part.isdigit() and int(part) < len(value) else None
        if not isinstance(value, dict | list):
            break
    return value


def _parts(path: str) -> Iterator[str]:
    for piece in path.replace("]", "").split("."):
        yield from piece.split("[")


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 200 else f"{text[:199]}…"
