"""What the watches have told of: the last known state of each object, and who owns it.

Bodies are kept as JSON text, packed, since a thousand services have thousands of children: a Python dict is ten times its text, and
the text five times what zlib makes of it.
What is not in here may still exist, so whoever needs certainty reads it from the API server (`reconcile.py`).
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ocr_operator.names import INSTANCE_LABEL, KIND
from ocr_operator.observed.live import Live, as_text, live_of
from ocr_operator.text import parsed

PACKING = 1
"""zlib's fastest, some 50 µs for an object."""


class Ref(NamedTuple):
    """Where an object is."""

    kind: str
    namespace: str
    name: str


class Owner(NamedTuple):
    """The OCRService that an object belongs to."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class State:
    """One state of an object, packed: its body without managed fields, those that are ours, the conditions that are True."""

    ref: Ref
    version: int
    owner: Owner | None
    text: bytes
    owned: bytes
    conditions: frozenset[str]


@dataclass(slots=True)
class _Entry:
    state: State
    was_told: bool
    agrees_with: str = ""


def owner_of(body: Mapping[str, Any]) -> Owner | None:
    """The OCRService that controls `body`, or where none does, the one that its label names; None for neither."""
    metadata = body.get("metadata", {})
    namespace = metadata.get("namespace", "")
    if body.get("kind") == KIND:
        return Owner(namespace, metadata["name"])
    for reference in metadata.get("ownerReferences", ()):
        if reference.get("kind") == KIND and reference.get("controller"):
            return Owner(namespace, reference["name"])
    label = metadata.get("labels", {}).get(INSTANCE_LABEL)
    return Owner(namespace, label) if label else None


def ref_of(body: Mapping[str, Any]) -> Ref:
    """Where `body` is."""
    metadata = body["metadata"]
    return Ref(body["kind"], metadata.get("namespace", ""), metadata["name"])


def version_of(body: Mapping[str, Any]) -> int:
    """The resource version, which grows with each change."""
    return int(body["metadata"].get("resourceVersion", 0))


def state_of(body: Mapping[str, Any]) -> State:
    """`body`, as it came from the API server, packed."""
    conditions = (body.get("status") or {}).get("conditions", ()) if body["kind"] == KIND else ()
    true = frozenset(item["type"] for item in conditions if item.get("status") == "True")
    live = live_of(body)
    return State(ref_of(body), version_of(body), owner_of(body), _packed(live.body), _packed(live.owned), true)


class Cache:
    """The newest state of each object that was seen. An older one never replaces a newer one, whichever comes last."""

    def __init__(self) -> None:
        self._entries: dict[Ref, _Entry] = {}
        self._owned: dict[Owner, set[Ref]] = {}

    def put(self, body: Mapping[str, Any]) -> bool:
        """Remembers `body`; False where as new a state was known."""
        known = self._entries.get(ref_of(body))
        if known is not None and known.state.version >= version_of(body):
            return False
        return self.take(state_of(body))

    def take(self, state: State) -> bool:
        """As `put`, of what is packed already."""
        ref = state.ref
        known = self._entries.get(ref)
        if known is not None and known.state.version >= state.version:
            return False
        was_told = self.was_told(ref)
        self.drop(ref)
        self._entries[ref] = _Entry(state, was_told)
        if state.owner is not None:
            self._owned.setdefault(state.owner, set()).add(ref)
        return True

    def drop(self, ref: Ref) -> bool:
        """Forgets what is at `ref`; False where nothing was known."""
        entry = self._entries.pop(ref, None)
        if entry is None:
            return False
        owner = entry.state.owner
        if owner is not None:
            owned = self._owned[owner]
            owned.discard(ref)
            if not owned:
                del self._owned[owner]
        return True

    def get(self, ref: Ref) -> dict[str, Any] | None:
        """The state last seen, or None."""
        entry = self._entries.get(ref)
        return None if entry is None else _unpacked(entry.state.text)

    def live(self, ref: Ref) -> Live | None:
        """The state last seen with the fields that are ours, or None."""
        entry = self._entries.get(ref)
        return None if entry is None else Live(_unpacked(entry.state.text), _unpacked(entry.state.owned))

    def agrees(self, ref: Ref, digest: str) -> bool:
        """Whether the state last seen was found to say what the manifest of that digest says."""
        entry = self._entries.get(ref)
        return entry is not None and entry.agrees_with == digest

    def set_agrees(self, ref: Ref, digest: str) -> None:
        """Remembers that, until another state is seen."""
        entry = self._entries.get(ref)
        if entry is not None:
            entry.agrees_with = digest

    def was_told(self, ref: Ref) -> bool:
        """Whether a watch has told of what is at `ref`, rather than only a read or a write of our own."""
        entry = self._entries.get(ref)
        return entry is not None and entry.was_told

    def set_told(self, ref: Ref) -> None:
        """Remembers that, until the object is gone."""
        entry = self._entries.get(ref)
        if entry is not None:
            entry.was_told = True

    def version(self, ref: Ref) -> int:
        """The resource version last seen, 0 where none was."""
        entry = self._entries.get(ref)
        return 0 if entry is None else entry.state.version

    def owned(self, owner: Owner) -> list[Ref]:
        """What belongs to `owner`, the object itself included, in order of kind and name."""
        return sorted(self._owned.get(owner, ()))

    def refs(self, kind: str) -> Iterator[Ref]:
        """All objects of `kind`."""
        return (ref for ref in list(self._entries) if ref.kind == kind)

    def all_refs(self) -> Iterator[Ref]:
        """All objects."""
        return iter(list(self._entries))

    def count(self, condition: str) -> int:
        """How many OCRServices have `condition` with status True."""
        return sum(condition in entry.state.conditions for entry in self._entries.values())

    def owner(self, ref: Ref) -> Owner | None:
        """Who owns what is at `ref`."""
        entry = self._entries.get(ref)
        return None if entry is None else entry.state.owner


def _packed(body: Mapping[str, Any]) -> bytes:
    return zlib.compress(as_text(body), PACKING)


def _unpacked(data: bytes) -> dict[str, Any]:
    body: dict[str, Any] = parsed(zlib.decompress(data))
    return body
