"""The OCRService that tests of the loop are about, its children, and a lab of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from helpers.lab import Lab
from ocr_operator.api.allowed import Allowed
from ocr_operator.names import KIND
from ocr_operator.observed.cache import Owner, Ref

NS = "ns"
OWNER = Owner(NS, "invoices")
SERVICE = Ref(KIND, *OWNER)
NAME = "invoices-ocr-system"
CHILDREN = [Ref(kind, NS, NAME) for kind in ("ConfigMap", "Deployment", "Service", "NetworkPolicy")]
CONFIG, DEPLOYMENT, ADDRESS, _ = CHILDREN
PAUSED = {"ocr-serving.dev/paused": "true"}
ONE: dict[str, Any] = {"modules": [{"name": "ocr_system", "device": "cpu"}]}
TWO: dict[str, Any] = {"modules": [{"name": "ocr_det", "device": "cpu"}, {"name": "ocr_system", "device": "cpu"}]}

IMAGES = Allowed(registries=("*",))
"""Nothing beyond what is allowed by default but images of anywhere."""


def lab_of(spec: dict[str, Any] | None = None, clock: Callable[[], float] = time.monotonic) -> Lab:
    """A lab of the service, which has ocr_system alone unless `spec` says otherwise."""
    return Lab(OWNER, spec or ONE, clock, IMAGES)
