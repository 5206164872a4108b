"""The cache of models of one OCRService: brought about before the modules that read it, and filled anew where it is damaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ocr_operator.api.spec import Settings
from ocr_operator.desired.filling import COMPONENT, job_name
from ocr_operator.desired.render import render_cache
from ocr_operator.kube import ExistsError, RefusedError
from ocr_operator.loop.children import Changes, Children
from ocr_operator.loop.ownership import TakenError, WaitError
from ocr_operator.loop.rollouts import Plan
from ocr_operator.observed.cache import Cache, Owner, Ref, ref_of
from ocr_operator.observed.filling import Filling, fillers, filling, is_filled, must_refill
from ocr_operator.observed.status import Problem

JSON = dict[str, Any]


@dataclass
class Filled:
    """What came of it. `held` has the modules of which nothing new is applied yet."""

    wanted: set[Ref] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    problems: dict[str, Problem] = field(default_factory=dict)
    waits: list[str] = field(default_factory=list)
    under_way: tuple[Filling, ...] = ()
    upgrade_waits: bool = False


async def bring_about(
    plan: Plan,
    body: Mapping[str, Any],
    children: Children,
    cache: Cache,
    settings: Settings,
    changes: Changes,
    *,
    may_upgrade: Callable[[], bool],
) -> Filled:
    """Applies the claim and the Job, and says whose pods have to wait for it.

    What is tried in a rollout is kept beside what serves. `may_upgrade`: whether it may follow a new version of the operator.
    """
    service = plan.service
    modules = (*plan.asked, *service.modules)
    manifests = render_cache(service, modules, settings)
    found = Filled(wanted={ref_of(manifest) for manifest in manifests})
    if not manifests:
        return found
    owner = Owner(service.namespace, service.name)
    pods = [pod for ref in cache.owned(owner) if ref.kind == "Pod" and (pod := cache.get(ref)) is not None]
    jobs = {manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] == "Job"}
    readers = {module.name: name for module in modules if (name := job_name(modules, module, settings)) is not None}
    is_refilled = False
    try:
        for job in jobs.values():
            live = await children.read(ref_of(job))
            if live is not None and must_refill(live.body, pods):
                await children.delete(ref_of(job), live.body["metadata"]["uid"], changes)
                is_refilled = True
        stale = await children.stale(manifests, service, is_new="status" not in body)
        # Of a spec that was brought about before, another Job is what a new version of the operator wants.
        is_other = any(item.ref.kind == "Job" and item.live is None and not item.was_ours for item in stale)
        if is_other and not is_refilled and not may_upgrade():
            found.upgrade_waits, stale = True, []
        await children.apply(stale, service, changes, is_new="status" not in body)
    except TakenError as error:
        found.problems = dict.fromkeys(readers, Problem("NameTaken", f"models.cache: {error}"))
    except (ExistsError, WaitError) as error:
        found.waits.append(str(error))
    except RefusedError as error:
        found.problems = dict.fromkeys(readers, Problem("Refused", f"models.cache: {error}"))
    under_way = {}
    for name, job in jobs.items():
        live = await children.read(ref_of(job))
        if is_filled(None if live is None else live.body, job):
            continue
        volumes = job["spec"]["template"]["spec"]["volumes"]
        claim = next(item["persistentVolumeClaim"]["claimName"] for item in volumes if "persistentVolumeClaim" in item)
        own = fillers(pods, COMPONENT)
        under_way[name] = filling(job, cache.get(Ref("PersistentVolumeClaim", service.namespace, claim)), own)
    found.held = {module for module, name in readers.items() if name in under_way}
    found.under_way = () if found.upgrade_waits or found.problems else tuple(under_way.values())
    return found
