"""kopf's part: it watches, and hands each event on. No handler changes an object, so kopf leaves no mark on any."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

import kopf

from ocr_operator.kube import KINDS, SERVICE_ACCOUNT
from ocr_operator.loop.controller import SELECTOR
from ocr_operator.names import KIND

IDENTITY = ("apiVersion", "kind", "metadata")
Seen = Callable[[str, str | None, Mapping[str, Any]], None]


def registry_of(kinds: tuple[str, ...], seen: Seen) -> kopf.OperatorRegistry:
    """Handlers that call `seen(kind, event type, body)` for each event of each kind."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login)
    for kind in kinds:
        api_version, plural = KINDS[kind]
        group, _, version = api_version.rpartition("/")
        kopf.on.event(group, version, plural, id=plural, registry=registry)(_handler(kind, seen))
    return registry


def settings_of(kinds: tuple[str, ...]) -> kopf.OperatorSettings:
    """kopf's settings: watches that the API server filters, lists in pages, no marks and no events of kopf's own."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.watching.chunk_size = 250
    # Each object that something happened to keeps a task, and what was told of it, for so long.
    settings.queueing.idle_timeout = 0.1
    for kind in kinds:
        if kind != KIND:
            api_version, plural = KINDS[kind]
            settings.watching.label_selectors[api_version.rpartition("/")[0], plural] = SELECTOR
    return settings


class _NoDiffs(kopf.DiffBaseStorage):
    """Keeps kopf from working out what has changed in an object, which costs two copies of each and is not asked for here."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return None


def _handler(kind: str, seen: Seen) -> Callable[..., Coroutine[Any, Any, None]]:
    # Not a plain function: kopf would call that in a thread, and the queue is for one event loop.
    async def handler(event: kopf.RawEvent, **_: Any) -> None:
        body = event["object"]
        seen(kind, event["type"], body)
        # kopf's tasks hold what it tells of for as long as they live, and need to know which object it is.
        raw = cast(dict[str, Any], body)
        for key in [key for key in raw if key not in IDENTITY]:
            del raw[key]
        raw["metadata"].pop("managedFields", None)

    return handler


def _login(**arguments: Any) -> kopf.ConnectionInfo | None:
    if SERVICE_ACCOUNT.exists():
        return kopf.login_with_service_account(**arguments)
    return kopf.login_with_kubeconfig(**arguments)
