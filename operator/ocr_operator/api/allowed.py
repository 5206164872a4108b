"""What an OCRService may ask for beside OCR: volumes, Secrets, accounts, priorities, registries. Pure.

Whoever may make an OCRService has the operator make pods for them, with its rights and not their own. So what reaches beyond those
pods has to be allowed by whoever runs the operator; without a word of theirs it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from ocr_operator.api.spec import ModuleSpec, OCRService, Settings, SpecError

ANY = "*"
HARMLESS_VOLUMES = ("emptyDir", "configMap", "persistentVolumeClaim", "downwardAPI", "ephemeral", "image")
"""Volumes that hold no secret and do not reach the node."""

HARMLESS_ANNOTATIONS = tuple(
    f"nginx.ingress.kubernetes.io/{name}"
    for name in ("proxy-body-size", "proxy-read-timeout", "proxy-send-timeout", "proxy-request-buffering", "ssl-redirect")
)
"""Annotations of an Ingress that bound its own requests. Others may put text into the controller's configuration."""

UNCONFINING = (
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
)
"""Annotations of pods that were fields before they were, and that nodes of that time still mind."""


@dataclass(frozen=True)
class Allowed:
    """What may be asked for, by names or patterns such as ocr-*; ANY allows all.

    `registries` are beginnings of images; those that the operator takes by itself are always among them. A Secret has to be among
    `secrets` however it is reached: as a volume, or as a variable.
    """

    volumes: tuple[str, ...] = (*HARMLESS_VOLUMES, "secret")
    secrets: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    priority_classes: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    hosts: tuple[str, ...] = (ANY,)
    ingress_annotations: tuple[str, ...] = HARMLESS_ANNOTATIONS

    def check(self, service: OCRService, settings: Settings) -> None:
        """Raises SpecError where `service` asks for more, with what to do."""
        own = "/".join(part for part in (settings.registry, settings.repository) if part)
        with_own = replace(self, registries=(*self.registries, own))
        for module in service.modules:
            for name in module.fields.pod_annotations or ():
                if name.startswith(UNCONFINING):
                    raise SpecError(f"module {module.name}: podAnnotations cannot set {name}: pods stay confined; take it out.")
            for what, value, allowed, flag in with_own._asked(module, settings):
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
        if module.cache is not None:
            kind = "persistentVolumeClaim" if module.cache.node_path is None else "hostPath"
            yield "a volume of kind", kind, self.volumes, "--allow-volumes"
        for secret in secrets_of(module):
            yield "the Secret", secret, self.secrets, "--allow-secrets"
        if fields.service_account_name:
            yield "the service account", fields.service_account_name, self.service_accounts, "--allow-service-accounts"
        if fields.priority_class_name:
            yield "the priority class", fields.priority_class_name, self.priority_classes, "--allow-priority-classes"
        for host in _hosts_of(module):
            yield "the host", host, self.hosts, "--allow-hosts"
        for name in (fields.ingress.annotations if fields.ingress else None) or ():
            yield "the annotation of an ingress", name, self.ingress_annotations, "--allow-ingress-annotations"
        if module.image.reference or module.image.registry is not None or module.image.repository:
            yield "the image", module.image_reference(settings), self.registries, "--allow-registries"
        for image in _further_images(module):
            yield "the image", image, self.registries, "--allow-registries"


def secrets_of(module: ModuleSpec) -> Iterator[str]:
    """The Secrets that the module's pods would read. Pull secrets are not among them: only the kubelet has those."""
    fields = module.fields
    if fields.api_keys is not None:
        yield fields.api_keys.secret_name
    if fields.jobs is not None and fields.jobs.secret_name is not None:
        yield fields.jobs.secret_name
    for volume in fields.volumes or ():
        extra: Mapping[str, Any] = volume.model_extra or {}
        for kind, source in extra.items():
            if kind == "secret" and isinstance(source, Mapping):
                yield str(source.get("secretName", ""))
            elif kind == "projected" and isinstance(source, Mapping):
                yield from (_name(item, "secret") for item in source.get("sources") or () if _has(item, "secret"))
            elif isinstance(source, Mapping):
                yield from (_name(source, key) for key in ("secretRef", "nodePublishSecretRef") if _has(source, key))
    for variable in fields.env or ():
        value_from = (variable.model_extra or {}).get("valueFrom")
        if _has(value_from, "secretKeyRef"):
            yield _name(value_from, "secretKeyRef")
    yield from (_name(item, "secretRef") for item in fields.env_from or () if _has(item, "secretRef"))


def _further_images(module: ModuleSpec) -> Iterator[str]:
    """Images that are mounted, which nodes pull with their own credentials."""
    for volume in module.fields.volumes or ():
        source = (volume.model_extra or {}).get("image")
        if isinstance(source, Mapping) and source.get("reference"):
            yield str(source["reference"])
    rollout = module.fields.rollout
    if rollout is not None and rollout.golden is not None and rollout.golden.image is not None:
        yield rollout.golden.image


def _hosts_of(module: ModuleSpec) -> Iterator[str]:
    """Hosts whose requests come to the module; ANY where a route takes all that its listeners do."""
    ingress, route = module.fields.ingress, module.fields.http_route
    if ingress is not None and ingress.host:
        yield ingress.host
    if route is not None:
        yield from route.hostnames or (ANY,)


def _has(source: Any, key: str) -> bool:
    return isinstance(source, Mapping) and isinstance(source.get(key), Mapping)


def _name(source: Any, key: str) -> str:
    return str(source[key].get("name", ""))


def _is_among(value: str, allowed: tuple[str, ...], *, is_prefix: bool) -> bool:
    if not is_prefix:
        return any(fnmatchcase(value, item) for item in allowed)
    is_plain = not any(part in ("", ".", "..") for part in value.split("/"))
    return is_plain and any(value == item or value.startswith(f"{item.rstrip('/')}/") for item in allowed)
