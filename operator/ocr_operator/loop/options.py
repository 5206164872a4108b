"""What `ocr-operator run` is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ocr_operator.api.allowed import Allowed
from ocr_operator.api.spec import Settings
from ocr_operator.limits import QPS


@dataclass(frozen=True)
class RunOptions:
    """The flags of `ocr-operator run`.

    `namespaces` empty means those of the whole cluster, which `--all-namespaces` asks for; without either flag it holds the
    operator's own. `resync_seconds` is the pause between two looks at an object that nothing happened to.
    `upgrades_at_a_time` OCRServices follow a new version of the operator before the next ones do. `allowed`: what they may ask for.
    `qps` requests a second at most go to the API server.
    """

    namespaces: tuple[str, ...]
    leader_election: bool
    lease_name: str
    lease_namespace: str
    http_port: int
    log_format: Literal["json", "text"]
    workers: int
    resync_seconds: float
    images: Settings
    upgrades_at_a_time: int = 3
    allowed: Allowed = field(default_factory=Allowed)
    qps: float = QPS

    @property
    def all_namespaces(self) -> bool:
        """Whether the whole cluster is watched."""
        return not self.namespaces
