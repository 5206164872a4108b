"""Brings the cluster to what one OCRService says: read, render, compare, apply what differs, prune, tell the status.

Level-triggered: it looks at what there is and at what there should be, never at what has changed, so it may be run at any time,
be cut off anywhere and be run again. Nothing is written where nothing differs. A module is applied whole or not at all; one that is
refused keeps no other from going on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ocr_operator.api.allowed import Allowed
from ocr_operator.api.merging import SpecError
from ocr_operator.api.spec import ModuleSpec, OCRService, Settings, parse
from ocr_operator.desired.render import render_module
from ocr_operator.kube import ExistsError, Kube, RefusedError
from ocr_operator.loop import rollouts
from ocr_operator.loop.children import Changes, Children, GoneError
from ocr_operator.loop.claims import Claims, Move
from ocr_operator.loop.devices import Chooser, Devices
from ocr_operator.loop.filling import bring_about
from ocr_operator.loop.ownership import TakenError, WaitError
from ocr_operator.loop.rollouts import Plan
from ocr_operator.loop.upgrades import Upgrades
from ocr_operator.names import API_VERSION, COMPONENT_LABEL, KIND, PAUSE_ANNOTATION, TRACK_LABEL
from ocr_operator.observed.cache import Cache, Owner, Ref, ref_of
from ocr_operator.observed.events import changes_event, problem_event, rollout_event
from ocr_operator.observed.rollout import Phase
from ocr_operator.observed.status import Findings, Observed, Problem, condition, is_serving, status_of

log = logging.getLogger(__name__)

JSON = dict[str, Any]
AT_A_TIME = 3
"""So many services follow a new version of the operator at a time."""
WAIT_PATIENCE_S = 10.0
"""For so long what goes by itself may be in the way before the status tells of it."""


class Result(StrEnum):
    """How a reconciliation ended.

    CHANGED: children were written, and the status is to be told in another turn. REFUSED: what was asked for cannot be; the
    status says why. WAITING: something is in the way that goes by itself.
    """

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    REFUSED = "refused"
    WAITING = "waiting"


@dataclass(frozen=True)
class Turn:
    """What came of one reconciliation, and in how many seconds to look again where nothing else calls for it."""

    result: Result
    again_s: float | None = None
    wake: tuple[Owner, ...] = ()
    """Others that may go on now."""


class Reconciler:
    """Reconciles OCRServices one call each; calls for different ones may overlap.

    `identity` is the operator's own, by which two are told apart; so many services as
    `at_a_time` says follow a new version of it together. `clock` gives seconds, monotonically.
    """

    def __init__(
        self,
        kube: Kube,
        cache: Cache,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        *,
        identity: str = "",
        at_a_time: int = AT_A_TIME,
        allowed: Allowed | None = None,
    ) -> None:
        self._kube = kube
        self._cache = cache
        self._settings = settings
        self._clock = clock
        self._children = Children(kube, cache, clock)
        self._allowed = allowed or Allowed()
        self._claims = Claims(identity, clock)
        self._upgrades = Upgrades(at_a_time)
        self._chooser = Chooser(kube, clock)
        self.operator_problems: tuple[Problem, ...] = ()
        self._waiting_since: dict[Owner, float] = {}
        self._replaced_by: dict[Owner, dict[str, frozenset[str]]] = {}

    def forget(self) -> None:
        """Nothing that was learnt of the cluster holds any longer."""
        self._children.forget()
        self._replaced_by.clear()

    async def reconcile(self, owner: Owner) -> Turn:
        """Does all that is to be done for one OCRService.

        Raises UnreachableError where the API server could not be asked; what was done by then stays and is found done by the
        next call.
        """
        found = await self._children.read(Ref(KIND, *owner))
        if found is None or found.body["metadata"].get("deletionTimestamp"):
            return Turn(Result.UNCHANGED, wake=self._forget(owner))
        body = found.body
        self._cache.put(body)
        move, seconds = self._claims.move(owner, (body.get("status") or {}).get("operator", ""))
        if move is Move.CLAIM:
            log.warning("claims %s/%s from the operator %s", *owner, body["status"]["operator"])
            await self._tell_status(body, {**body["status"], "operator": self._claims.identity})
        if move is not Move.WORK:
            return Turn(Result.UNCHANGED, seconds)
        changes, findings = Changes(), Findings()
        service: OCRService | None = None
        try:
            service = parse(body)
            self._allowed.check(service, self._settings)
            if is_paused(body):
                await self._tell(body, rollouts.serving(service, body), Findings(is_paused=True))
                return Turn(Result.UNCHANGED, wake=self._upgrades.done(owner))
            devices = await self._chooser.decide(service, body)
            service = devices.service
            if devices.moved:
                # Told before it is done, as below: another process must not think it over again.
                body = await self._tell_early(body, devices.told(body["status"]))
            plan = rollouts.plan(service, body, self._cache, self._settings, datetime.now(UTC))
            if plan.moved:
                # Told before it is done: whoever goes on after a crash must not try again what is decided.
                body = await self._tell_moves(body, plan)
            service = plan.service
            findings = await self._bring_about(plan, changes, body, devices)
        except SpecError as error:
            findings = Findings(problem=Problem("InvalidSpec" if service is None else "NotAllowed", str(error)))
        except GoneError:
            self._cache.drop(Ref(KIND, *owner))
            return Turn(Result.UNCHANGED, wake=self._forget(owner))
        finally:
            # Also where the API server went away half-way: what was done is told.
            if changes:
                log.info("changed", extra={"service": f"{owner.namespace}/{owner.name}", "changes": changes.sentence})
                if changes.sentence:
                    await self._kube.create_event(changes_event(body, changes.sentence))
        if findings.waits and not await self._is_told_to_wait(owner):
            return Turn(Result.WAITING)
        if changes and not findings.is_troubled:
            # The effect is seen in a moment; to tell the status before would be a write for a moment's truth.
            return Turn(Result.CHANGED)
        is_healthy = await self._tell(body, service, findings)
        wake = self._upgrades.done(owner) if is_healthy and not findings.upgrade_waits else ()
        if findings.is_refused:
            return Turn(Result.REFUSED, findings.again_s, wake)
        return Turn(Result.WAITING if findings.waits else Result.UNCHANGED, findings.again_s, wake)

    async def _bring_about(self, plan: Plan, changes: Changes, body: Mapping[str, Any], devices: Devices) -> Findings:
        service = plan.service
        owner = Owner(service.namespace, service.name)
        problems = dict(plan.problems)
        filled = await bring_about(
            plan,
            body,
            self._children,
            self._cache,
            self._settings,
            changes,
            may_upgrade=lambda: not self._was_healthy(body) or self._upgrades.may_begin(owner),
        )
        wanted, waits, upgrade_waits = filled.wanted, filled.waits, filled.upgrade_waits
        problems |= filled.problems
        groups = [(module, render_module(service, module, self._settings)) for module in service.modules]
        groups += [(module, plan.beside[module.name]) for module in service.modules if module.name in plan.beside]
        for module, manifests in groups:
            wanted |= {ref_of(manifest) for manifest in manifests}
            try:
                stale = await self._children.stale(manifests, service, is_new="status" not in body)
                if any(item.is_upgrade for item in stale) and self._was_healthy(body) and not self._upgrades.may_begin(owner):
                    upgrade_waits = True
                    stale = [item for item in stale if not item.is_upgrade]
                if module.name in filled.held:
                    # What is there goes on, and is put back where others change it.
                    stale = [item for item in stale if item.was_ours]
                await self._children.apply(stale, service, changes, is_new="status" not in body)
            except TakenError as error:
                problems[module.name] = Problem("NameTaken", str(error))
            except (ExistsError, WaitError) as error:
                waits.append(str(error))
            except RefusedError as error:
                problems[module.name] = Problem("Refused", str(error))
        problem = None
        try:
            kept = await self._kept(service, changes, body)
            await self._children.prune(service, wanted, kept, changes)
        except RefusedError as error:
            problem = Problem("Forbidden", str(error))
        if not waits:
            self._waiting_since.pop(owner, None)
        contended, again_s = self._children.contended(sorted(wanted))
        if rival := self._claims.rival(owner):
            contended = [Problem("Contended", _rival_sentence(rival)), *contended]
        replaced = {name: tuple(sorted(by)) for name, by in self._replaced_by.get(owner, {}).items()}
        return Findings(
            problem=problem,
            modules=problems,
            contended=tuple(contended),
            waits=tuple(waits),
            replaced=replaced,
            again_s=min((s for s in (again_s, plan.again_s, devices.again_s) if s is not None), default=None),
            rollouts=plan.states,
            devices=devices.decisions,
            filling=tuple(item.message for item in filled.under_way),
            unfilled=tuple(item.problem for item in filled.under_way if item.problem is not None),
            operator=(*self.operator_problems, *devices.problems),
            upgrade_waits=tuple(sorted("/".join(other) for other in self._upgrades.under_way)) if upgrade_waits else (),
        )

    async def _kept(self, service: OCRService, changes: Changes, body: Mapping[str, Any]) -> set[str]:
        """The names of children of modules that are gone from the spec, kept until those that came with the same change serve.

        A name that was misspelt in the spec must not take away what serves.
        """
        owner = Owner(service.namespace, service.name)
        modules = {module.child_name: module for module in service.modules}
        former = {ref.name for ref in self._cache.owned(owner) if ref.kind == "Deployment"} - set(modules)
        former -= rollouts.names_beside(service.modules)
        replaced = self._replaced_by.get(owner)
        if replaced is None:
            told = (body.get("status") or {}).get("replaced", ())
            replaced = {item["name"]: frozenset(item["by"]) for item in told}
        new = frozenset(ref.name for ref in changes.created if ref.kind == "Deployment")
        replaced = {name: replaced.get(name, frozenset()) | (new if name not in replaced else frozenset()) for name in former}
        replaced = {name: _heirs(name, replaced) for name in former}
        waiting = {
            name for name in frozenset().union(*replaced.values()) if name in modules and not await self._serves(modules[name])
        }
        replaced = {name: by & waiting for name, by in replaced.items()}
        self._replaced_by[owner] = replaced
        return {name for name, by in replaced.items() if by}

    async def _serves(self, module: ModuleSpec) -> bool:
        deployment = await self._children.read(Ref("Deployment", module.namespace, module.child_name))
        return deployment is not None and is_serving(deployment.body)

    async def _is_told_to_wait(self, owner: Owner) -> bool:
        since = self._waiting_since.setdefault(owner, self._clock())
        return self._clock() - since >= WAIT_PATIENCE_S

    @staticmethod
    def _was_healthy(body: Mapping[str, Any]) -> bool:
        """Whether this spec was brought about before, and served: then only the operator itself can want it otherwise now.

        One that does not serve has nothing to lose, and must not keep others waiting.
        """
        ready = condition(body.get("status"), "Ready")
        return ready.get("status") == "True" and ready.get("observedGeneration") == body["metadata"].get("generation", 0)

    async def _tell(self, body: JSON, service: OCRService | None, findings: Findings) -> bool:
        """Writes the status where it would read otherwise; whether all modules serve and nothing is on its way."""
        old = body.get("status") or {}
        observed = {} if service is None else await self._observe(service)
        status = status_of(body, service, observed, findings, self._settings, _now())
        if self._claims.identity:
            status["operator"] = self._claims.identity
        if status != old:
            await self._tell_status(body, status)
            before, after = condition(old, "Degraded"), condition(status, "Degraded")
            is_new = (before.get("reason"), before.get("message")) != (after["reason"], after["message"])
            if after.get("status") == "True" and is_new:
                await self._kube.create_event(problem_event(body, after["reason"], after["message"]))
        return all(
            condition(status, type_).get("status") == value for type_, value in (("Ready", "True"), ("Progressing", "False"))
        )

    async def _tell_moves(self, body: JSON, plan: Plan) -> JSON:
        body = await self._tell_early(body, rollouts.with_states(body.get("status") or {}, plan.moved))
        for name, state in plan.moved.items():
            note, is_refused = f"{name}: {state.message or state.phase.value}", state.phase is Phase.REFUSED
            await self._kube.create_event(rollout_event(body, state.phase.value, note, is_refused=is_refused))
        return body

    async def _tell_early(self, body: JSON, status: JSON) -> JSON:
        """`body` with `status`, which is told."""
        await self._tell_status(body, status)
        return {**body, "status": status}

    async def _tell_status(self, body: JSON, status: JSON) -> None:
        metadata = body["metadata"]
        manifest = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
            "status": status,
        }
        applied = await self._kube.apply_status(manifest)
        if applied is not None:
            self._cache.put(applied)

    async def _observe(self, service: OCRService) -> dict[str, Observed]:
        refs = self._cache.owned(Owner(service.namespace, service.name))
        pods = [pod for ref in refs if ref.kind == "Pod" and (pod := self._cache.get(ref)) is not None]
        observed = {}
        for module in service.modules:
            deployment = await self._children.read(Ref("Deployment", service.namespace, module.child_name))
            own = [pod for pod in pods if _is_of(module, pod["metadata"].get("labels", {}))]
            others = {
                kind: self._cache.get(Ref(kind, service.namespace, module.child_name))
                for kind in ("HorizontalPodAutoscaler", "PodDisruptionBudget", "HTTPRoute")
            }
            observed[module.name] = Observed(deployment.body if deployment else None, own, *others.values())
        return observed

    def _forget(self, owner: Owner) -> tuple[Owner, ...]:
        """The service is gone; those that may go on now."""
        self._waiting_since.pop(owner, None)
        self._replaced_by.pop(owner, None)
        self._claims.forget(owner)
        self._chooser.forget(owner)
        return self._upgrades.done(owner)


def is_paused(body: Mapping[str, Any]) -> bool:
    """Whether nothing is to be changed for now."""
    return str((body["metadata"].get("annotations") or {}).get(PAUSE_ANNOTATION, "")).lower() == "true"


def _heirs(name: str, replaced: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """What came in place of `name`; where that is gone too, what came in place of that."""
    known, heirs = {name}, set(replaced[name])
    while gone := (heirs & replaced.keys()) - known:
        known |= gone
        heirs = heirs.union(*(replaced[other] for other in gone))
    return frozenset(heirs - known)


def _is_of(module: ModuleSpec, labels: Mapping[str, str]) -> bool:
    return labels.get(COMPONENT_LABEL) == module.component and TRACK_LABEL not in labels


def _rival_sentence(rival: str) -> str:
    namespace, _, name = rival.partition("/")
    return (
        f"the operator with the lease {name} in namespace {namespace} watches this namespace too, and is kept from working:"
        " uninstall one of the two, or let them watch different namespaces"
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
