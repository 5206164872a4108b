"""What an OCRService may ask for beside OCR: volumes, accounts, priorities, registries. Pure.

Whoever may make an OCRService has the operator make pods for them, with its rights and not their own. So what reaches beyond those
pods has to be allowed by whoever runs the operator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ocr_operator.api.spec import ModuleSpec, OCRService, Settings, SpecError

ANY = "*"
HARMLESS_VOLUMES = ("emptyDir", "configMap", "persistentVolumeClaim", "downwardAPI", "ephemeral", "image")
"""Volumes that hold no secret and do not reach the node."""


@dataclass(frozen=True)
class Allowed:
    """What may be asked for; ANY in a list allows all. `registries` empty means all: they are the prefixes of images."""

    volumes: tuple[str, ...] = (*HARMLESS_VOLUMES, "secret")
    service_accounts: tuple[str, ...] = (ANY,)
    priority_classes: tuple[str, ...] = (ANY,)
    registries: tuple[str, ...] = (ANY,)

    def check(self, service: OCRService, settings: Settings) -> None:
        """Raises SpecError where `service` asks for more, with what to do."""
        for module in service.modules:
            for what, value, allowed, flag in self._asked(module, settings):
                if ANY not in allowed and not _is_among(value, allowed, is_prefix=flag == "--allow-registries"):
                    has = ", ".join(allowed) or "none"
                    raise SpecError(
                        f"module {module.name}: {what} {value} is not allowed here, where there may be {has}: take it out, or ask"
                        f" whoever runs the operator to add it with {flag}."
                    )

    def _asked(self, module: ModuleSpec, settings: Settings) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
        fields = module.fields
        for volume in fields.volumes or ():
            for kind in volume.model_extra or {"emptyDir": {}}:
                yield "a volume of kind", kind, self.volumes, "--allow-volumes"
        if fields.service_account_name:
            yield "the service account", fields.service_account_name, self.service_accounts, "--allow-service-accounts"
        if fields.priority_class_name:
            yield "the priority class", fields.priority_class_name, self.priority_classes, "--allow-priority-classes"
        yield "the image", module.image_reference(settings), self.registries, "--allow-registries"


def _is_among(value: str, allowed: tuple[str, ...], *, is_prefix: bool) -> bool:
    if not is_prefix:
        return value in allowed
    return any(value == item or value.startswith(f"{item.rstrip('/')}/") for item in allowed)
