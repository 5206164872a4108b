"""How a module is reached from outside of the cluster: an Ingress, or a route of the Gateway API."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ocr_operator.api.blocks import Block, Rule
from ocr_operator.api.parts import Labels, Name

DEFAULT_PATH = "/"
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"

Host = Annotated[str, Field(max_length=253, pattern=rf"^(\*\.)?{_LABEL}(\.{_LABEL})*$")]
Path = Annotated[str, Field(max_length=512, pattern=r"^/[A-Za-z0-9._~/-]*$")]
Namespaces = Annotated[list[Annotated[str, Field(max_length=63, pattern=rf"^{_LABEL}$")]], Field(min_length=1, max_length=16)]

PATH_TEXT = "Beginning of the paths that are the module's, as it has them: nothing is rewritten. / by default, all of them."
NAMESPACES_TEXT = "Namespaces of the pods that pass requests on, which the module's networkPolicy lets in."


class IngressTLS(Block):
    """The certificate of an Ingress."""

    secret_name: Name = Field(description="Secret of kind kubernetes.io/tls; the ingress controller reads it, no pod does.")


class Ingress(Block):
    """An Ingress for the module. Its host has to be given here or in spec.defaults."""

    class_name: Name | None = Field(None, description="IngressClass; the cluster's default one otherwise.")
    host: Host | None = Field(None, description="Host name that callers use; *.example.org for any one label.")
    path: Path | None = Field(None, description=PATH_TEXT)
    annotations: Labels | None = Field(None, description="For its controller; the operator's --allow-ingress-annotations has them.")
    tls: IngressTLS | None = Field(None, description="The certificate; plain HTTP without it, unless the controller has one.")
    allow_from_namespaces: Namespaces | None = Field(None, description=NAMESPACES_TEXT)


class ParentRef(Block):
    """A Gateway that a route hangs on."""

    name: Name = Field(description="Its name.")
    namespace: Annotated[str, Field(max_length=63, pattern=rf"^{_LABEL}$")] | None = Field(
        None, description="Its namespace; that of the OCRService by default. Its listeners decide whether they take the route."
    )
    section_name: Name | None = Field(None, description="One of its listeners; all that fit by default.")


class RouteTLS(Block):
    """The listener that holds the certificate."""

    section_name: Name = Field(description="Its name, at each Gateway of parentRefs that names no listener itself.")


class HTTPRoute(Block):
    """An HTTPRoute of the Gateway API for the module. parentRefs have to be given here or in spec.defaults."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.tls) && has(self.parentRefs) && self.parentRefs.all(ref, has(ref.sectionName)))",
            "tls names the listener of parentRefs that name none, and all of them do: leave it out",
            lambda block: block.tls is not None and bool(block.parent_refs) and all(ref.section_name for ref in block.parent_refs),
        ),
    )
    parent_refs: list[ParentRef] | None = Field(None, min_length=1, max_length=8, description="Gateways that it hangs on.")
    hostnames: list[Host] | None = Field(
        None, min_length=1, max_length=16, description="Host names that callers use; those of the listeners by default."
    )
    path: Path | None = Field(None, description=PATH_TEXT)
    tls: RouteTLS | None = Field(
        None, description="Reached by HTTPS alone, at the listener that has the certificate; by every listener otherwise."
    )
    allow_from_namespaces: Namespaces | None = Field(None, description=NAMESPACES_TEXT)
