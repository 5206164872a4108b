"""Where the pods of a module keep jobs: files that are read later, and what was read on them."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from ocr_operator.api.blocks import Block, Rule
from ocr_operator.api.parts import Claim, Name

DATABASE_PORT = 5432
URL_KEY = "url"


class Jobs(Block):
    """One store for all pods of a module, so that any of them answers for any job."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.secretName) != has(self.pvc)",
            "jobs are kept in one place: give exactly one of secretName and pvc",
            lambda block: (block.secret_name is None) == (block.pvc is None),
        ),
        Rule(
            "has(self.secretName) || !(has(self.key) || has(self.port))",
            "key and port belong to the database of secretName: leave them out with pvc",
            lambda block: block.secret_name is None and (block.key is not None or block.port is not None),
        ),
    )
    secret_name: Name | None = Field(
        None,
        description="A Secret with the URL of a PostgreSQL database, postgresql://user:password@host/database, that all pods share."
        " The operator's --allow-secrets has to name it; pods read it when they start.",
    )
    key: str | None = Field(
        None, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$", description="Which of its keys has the URL; url by default."
    )
    port: int | None = Field(None, ge=1, le=65535, description="Port of the database, to which pods may connect; 5432 by default.")
    pvc: Claim | None = Field(None, description="A claim for the SQLite file of a module that has one pod.")


def claim_of(fields: Any) -> Claim | None:
    """The claim that a module's jobs are kept on, where they are."""
    claim: Claim | None = fields.jobs.pvc if fields.jobs is not None else None
    return claim


def shares_a_volume(fields: Any) -> bool:
    """Whether more than one pod of a module would keep jobs on its claim, of which SQLite allows one."""
    if claim_of(fields) is None:
        return False
    rolls = fields.strategy is not None and fields.strategy.type != "Recreate"
    return rolls or fields.autoscaling is not None or fields.rollout is not None or (fields.replicas or 0) > 1


ONE_POD = Rule(
    "!has(self.jobs) || !has(self.jobs.pvc) || !(has(self.autoscaling) || has(self.rollout)"
    " || (has(self.replicas) && self.replicas > 1)"
    " || (has(self.strategy) && !(has(self.strategy.type) && self.strategy.type == 'Recreate')))",
    "jobs.pvc is for one pod at a time: leave out autoscaling, rollout, a RollingUpdate and further replicas, or name the URL of a"
    " PostgreSQL database in jobs.secretName",
    shares_a_volume,
)
