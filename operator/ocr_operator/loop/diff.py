"""`ocr-operator diff`: what this version of the operator, with these flags, would change in a cluster. It writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocr_operator.api.allowed import Allowed
from ocr_operator.api.merging import SpecError
from ocr_operator.api.spec import Settings, parse
from ocr_operator.desired.render import render
from ocr_operator.kube import Kube, RefusedError, connect
from ocr_operator.loop.children import wanted_beside
from ocr_operator.loop.ownership import controller_of
from ocr_operator.loop.reconcile import is_paused
from ocr_operator.loop.rollouts import names_beside, serving, tried
from ocr_operator.metrics import Metrics
from ocr_operator.names import CHILD_KINDS, HASH_ANNOTATION, KIND, MANAGED_BY, MANAGED_BY_LABEL
from ocr_operator.observed.cache import Ref, ref_of
from ocr_operator.observed.drift import differences
from ocr_operator.observed.live import live_of

HASH_PATH = f"metadata.annotations.{HASH_ANNOTATION}"


@dataclass
class Found:
    """What would change: `lines` for people, the OCRServices that were looked at and that would change, whose pods would go."""

    lines: list[str] = field(default_factory=list)
    seen: int = 0
    changing: int = 0
    rolling: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """All of it in one sentence."""
        if not self.seen:
            return "there is no OCRService here, so nothing would change: name other namespaces, or take --all-namespaces"
        if not self.changing:
            return f"nothing would change of {self.seen} OCRService{'s' if self.seen != 1 else ''}"
        count = f"{self.changing} of {self.seen} OCRService{'s' if self.seen != 1 else ''} would change"
        if not self.rolling:
            return f"{count}; no pod that serves would be replaced"
        pods = f"the pods of {len(self.rolling)} Deployment{'s' if len(self.rolling) > 1 else ''} would be replaced"
        return f"{count}; {pods}: {', '.join(self.rolling)}"


def diff(namespaces: Sequence[str], settings: Settings, allowed: Allowed | None = None) -> Found:
    """What would be made, changed and deleted; `namespaces` empty means all."""
    return asyncio.run(_diff(namespaces, settings, allowed or Allowed()))


async def _diff(namespaces: Sequence[str], settings: Settings, allowed: Allowed) -> Found:
    found = Found()
    async with connect(Metrics()) as kube:
        kube.may_write = lambda: False
        for namespace in namespaces or (None,):
            children = await _children(kube, namespace)
            async for page in kube.pages(KIND, namespace):
                for body in page:
                    await of_service(kube, body, settings, allowed, children, found)
    return found


async def _children(kube: Kube, namespace: str | None) -> dict[str, list[Ref]]:
    """By the uid of the OCRService that controls them."""
    found: dict[str, list[Ref]] = {}
    for _, kind, _ in CHILD_KINDS:
        try:
            async for page in kube.pages(kind, namespace, f"{MANAGED_BY_LABEL}={MANAGED_BY}"):
                for body in page:
                    found.setdefault(controller_of(body).get("uid", ""), []).append(ref_of({"kind": kind, **body}))
        except RefusedError:
            continue  # a kind that this cluster does not have
    return found


async def of_service(
    kube: Kube,
    body: dict[str, Any],
    settings: Settings,
    allowed: Allowed | None,
    children: Mapping[str, Sequence[Ref]],
    found: Found,
) -> None:
    """Adds to `found` what would change of one OCRService; `children` has what there is of all, by `_children`."""
    found.seen += 1
    where = f"{body['metadata']['namespace']}/{body['metadata']['name']}"
    if is_paused(body):
        found.lines.append(f"{where}: is paused, and left as it is")
        return
    try:
        service = parse(body)
        (allowed or Allowed()).check(service, settings)
    except SpecError as error:
        found.changing += 1
        found.lines.append(f"{where}: would be refused, and go on as it is: {error}")
        return
    lines = [
        f"{where}: {name}: would be tried beside the old pods first, as its rollout says" for name in tried(service, body, settings)
    ]
    kept = serving(service, body)
    manifests = render(kept, settings)
    wanted = {ref_of(manifest) for manifest in manifests}
    for manifest in manifests:
        metadata = manifest["metadata"]
        there = await kube.get(manifest["kind"], metadata["namespace"], metadata["name"])
        live = None if there is None else live_of(there)
        told = f"{where}: {manifest['kind']} {metadata['name']}"
        if live is None:
            lines.append(f"{told}: would be created")
            continue
        applied = wanted_beside(manifest, live, manifests)
        paths = {path: value for path, value in differences(applied, live).items() if path != HASH_PATH}
        lines += [f"{told}: {path}: {_short(value)} would be {_short(_at(applied, path))}" for path, value in paths.items()]
        if manifest["kind"] == "Deployment" and any(path.startswith("spec.template") for path in paths):
            found.rolling.append(f"{metadata['namespace']}/{metadata['name']}")
    beside = names_beside(service.modules)
    for ref in sorted(children.get(body["metadata"].get("uid", ""), ())):
        # What stands beside others in a rollout, and its Job, come and go with that.
        if ref not in wanted and ref.name not in beside and not ref.name.endswith("-golden"):
            lines.append(f"{where}: {ref.kind} {ref.name}: would be deleted")
    found.lines += lines
    found.changing += bool(lines)


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
