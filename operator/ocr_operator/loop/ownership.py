"""Whose an object is that has the name of a child. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocr_operator.api.spec import NOT_OURS, OCRService
from ocr_operator.names import INSTANCE_LABEL, KIND
from ocr_operator.observed.live import Live


class TakenError(Exception):
    """A child's name belongs to something else."""


class WaitError(Exception):
    """What is in the way goes by itself; the text says what it is."""


def check_is_ours(live: Live, service: OCRService) -> None:
    """Raises TakenError where `live` belongs to somebody else, WaitError where it goes with a former owner of the same name."""
    metadata = live.body["metadata"]
    controller = controller_of(live.body)
    what = f"the {live.body['kind']} {metadata['name']}"
    if controller.get("uid") == service.uid:
        if metadata.get("deletionTimestamp"):
            raise WaitError(_stuck(what, metadata))
        return
    if controller.get("kind") == KIND and controller.get("name") == service.name:
        raise WaitError(_stuck(f"{what} of a former OCRService {service.name}", metadata))
    labels = metadata.get("labels", {})
    is_of_another = labels.get(INSTANCE_LABEL, service.name) != service.name
    if not controller and ((live.owned and not is_of_another) or service.adopts):
        return
    owner = f"{controller['kind']} {controller['name']}" if controller else "nobody"
    advice = "rename the OCRService" if controller else "rename the OCRService, set spec.adopt to true to take it over"
    raise TakenError(f"{what} exists and {NOT_OURS} but of {owner}: {advice}, or delete that {live.body['kind']}")


def controller_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The owner reference of who controls `body`; empty for nobody."""
    return next((ref for ref in body["metadata"].get("ownerReferences", ()) if ref.get("controller")), {})


def _stuck(what: str, metadata: Mapping[str, Any]) -> str:
    finalizers = metadata.get("finalizers", ())
    why = f"its finalizers {', '.join(finalizers)} keep it: have them removed" if finalizers else "wait, or delete it"
    return f"{what} is still there: {why}"
