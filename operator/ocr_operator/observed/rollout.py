"""What comes next in a rollout: a pure state machine over what the spec asks for and what is seen.

A change of model, image or parameters is a candidate. While it is tried what was accepted before goes on serving; the state holds
it, since the spec no longer says it. All of the state stands in the status, so an operator that is killed goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from ocr_operator.api.parts import Rollout

DEFAULT_F1_DROP = 0.005
DEFAULT_CANARY_S = 600
MEASURE_S = 1800
"""The most that replaying the golden set against both may take."""
CRASHES = 2
"""So many restarts of a container are no accident."""
NOT_YET = "the golden set is not read yet"
MEASURING = "the golden set is read by both"
FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class Phase(StrEnum):
    """Where a rollout is. In the first three there are pods beside the old ones."""

    STARTING = "Starting"
    MEASURING = "Measuring"
    SHIFTING = "Shifting"
    PROMOTED = "Promoted"
    REFUSED = "Refused"
    ACCEPTED = "Accepted"


RUNNING = (Phase.STARTING, Phase.MEASURING, Phase.SHIFTING)


@dataclass(frozen=True)
class Figures:
    """Of one of the two: word F1 from 0 to 1, seconds and CPU seconds a page; the latter None where the service does not tell."""

    word_f1: float
    seconds: float
    cpu_s: float | None = None

    @property
    def status(self) -> dict[str, float]:
        """As the status has it."""
        told = {"wordF1": self.word_f1, "seconds": self.seconds, "cpuSeconds": self.cpu_s}
        return {key: round(value, 4) for key, value in told.items() if value is not None}

    @staticmethod
    def read(told: Any) -> Figures | None:
        """From the status, or from the report of a Job; None where it is no such thing."""
        if not isinstance(told, Mapping):
            return None
        try:
            cpu = told.get("cpuSeconds")
            return Figures(float(told["wordF1"]), float(told["seconds"]), None if cpu is None else float(cpu))
        except (KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True)
class Report:
    """What a Job measured."""

    pages: int
    old: Figures
    new: Figures

    @staticmethod
    def read(text: str) -> Report | None:
        """From a container's last words; None where they are none."""
        try:
            told = json.loads(text.strip().splitlines()[-1])
            old, new = Figures.read(told["old"]), Figures.read(told["new"])
            return Report(int(told["pages"]), old, new) if old and new else None
        except (ValueError, IndexError, KeyError, TypeError):
            return None


@dataclass(frozen=True)
class State:
    """What the status says of a rollout: `accepted` is what serves, `candidate` what is or was tried, both as `canary.key` says."""

    phase: Phase
    accepted: str
    candidate: str = ""
    since: str = ""
    message: str = ""
    order: str = ""
    report: Report | None = None

    @property
    def is_running(self) -> bool:
        """Whether there are pods beside the old ones."""
        return self.phase in RUNNING

    @property
    def status(self) -> dict[str, Any]:
        """As the status has it."""
        told: dict[str, Any] = {"phase": self.phase.value, "accepted": self.accepted}
        texts = {"candidate": self.candidate, "since": self.since, "message": self.message, "order": self.order}
        told |= {key: value for key, value in texts.items() if value}
        if self.report is not None:
            told |= {"pages": self.report.pages, "old": self.report.old.status, "new": self.report.new.status}
        return told

    @staticmethod
    def read(told: Any) -> State | None:
        """From the status; None where there is none, or none that can be understood."""
        if not isinstance(told, Mapping) or told.get("phase") not in list(Phase) or not told.get("accepted"):
            return None
        old, new = Figures.read(told.get("old")), Figures.read(told.get("new"))
        report = Report(int(told.get("pages", 0)), old, new) if old and new else None
        candidate, since, message, order = (str(told.get(key, "")) for key in ("candidate", "since", "message", "order"))
        return State(Phase(told["phase"]), str(told["accepted"]), candidate, since, message, order, report)


@dataclass(frozen=True)
class Seen:
    """What there is of a rollout now.

    `wanted` is what the spec asks for, `order` what the annotation says; `is_available`: the pods beside the old ones answer;
    `trouble` what keeps them from it, `crashes` how often one was started again. `job` is None where there is none, else
    "pending" until its container runs, with what keeps it from that, "running", "done" or "failed", with what it said.
    """

    wanted: str
    order: str = ""
    is_available: bool = False
    trouble: str = ""
    crashes: int = 0
    job: str | None = None
    job_said: str = ""
    start_s: float = 600.0


def next_state(rollout: Rollout | None, state: State | None, seen: Seen, now: datetime) -> State | None:
    """The state after `state`; the same where nothing is to happen. None where changes come into use at once."""
    if rollout is None or rollout.strategy == "Rolling":
        return None
    if state is None:
        return State(Phase.ACCEPTED, seen.wanted)
    if not seen.order and state.order:
        state = replace(state, order="")
    if seen.wanted == state.accepted:
        is_over = state.phase in (Phase.PROMOTED, Phase.ACCEPTED)
        return state if is_over else State(Phase.ACCEPTED, seen.wanted, order=state.order)
    if seen.order and seen.order != state.order:
        return _ordered(state, seen, now)
    if state.candidate != seen.wanted or state.phase in (Phase.ACCEPTED, Phase.PROMOTED):
        return _begun(state, seen, now)
    if state.phase is Phase.STARTING:
        return _from_starting(rollout, state, seen, now)
    if state.phase is Phase.MEASURING:
        return _from_measuring(rollout, state, seen, now)
    if state.phase is Phase.SHIFTING:
        return _from_shifting(rollout, state, seen, now)
    return state


def seconds_left(rollout: Rollout | None, state: State, seen: Seen, now: datetime) -> float | None:
    """In how many seconds time alone changes the state; None where it does not."""
    lasts = {
        Phase.STARTING: seen.start_s,
        Phase.MEASURING: seen.start_s if seen.job == "pending" else MEASURE_S,
        Phase.SHIFTING: (rollout.canary_seconds if rollout else None) or DEFAULT_CANARY_S,
    }.get(state.phase)
    return None if lasts is None else max(lasts - _age(state, now), 0.0) + 1.0


def faults(rollout: Rollout, report: Report) -> list[str]:
    """What of the limits the new one breaks, each as a part of a sentence; none where it may be used."""
    old, new = report.old, report.new
    if not report.pages:
        return ["the golden set has no pages"]
    found = []
    if rollout.min_word_f1 is not None and new.word_f1 < rollout.min_word_f1:
        found.append(f"word F1 {new.word_f1:.3f} is below minWordF1 {rollout.min_word_f1:g}")
    drop = DEFAULT_F1_DROP if rollout.max_f1_drop is None else rollout.max_f1_drop
    if old.word_f1 - new.word_f1 > drop + 1e-9:
        found.append(f"word F1 fell from {old.word_f1:.3f} to {new.word_f1:.3f}, by more than {drop:g}")
    found += _slower("seconds a page", old.seconds, new.seconds, rollout.max_latency_ratio, "maxLatencyRatio")
    if rollout.max_cpu_ratio is not None and (old.cpu_s is None or new.cpu_s is None):
        found.append("one of the two does not tell its CPU seconds, so maxCpuRatio cannot be judged")
    else:
        found += _slower("CPU seconds a page", old.cpu_s or 0.0, new.cpu_s or 0.0, rollout.max_cpu_ratio, "maxCpuRatio")
    return found


def figures_sentence(report: Report) -> str:
    """Both in a few words."""
    parts = [
        f"word F1 {report.new.word_f1:.3f} (old {report.old.word_f1:.3f})",
        f"{report.new.seconds:.3f} s a page (old {report.old.seconds:.3f})",
    ]
    if report.old.cpu_s is not None and report.new.cpu_s is not None:
        parts.append(f"CPU {report.new.cpu_s:.3f} s (old {report.old.cpu_s:.3f})")
    return f"{', '.join(parts)} on {report.pages} pages"


def _slower(what: str, old: float, new: float, most: float | None, name: str) -> list[str]:
    if most is None or new <= old * most:
        return []
    times = f"{new / old:.2f} times" if old else "more than"
    return [f"{new:.3f} {what} are {times} the {old:.3f} of the old one, over {name} {most:g}"]


def _begun(state: State, seen: Seen, now: datetime) -> State:
    message = "pods with the change are started beside the old ones"
    return State(Phase.STARTING, state.accepted, seen.wanted, _text(now), message, state.order)


def _ordered(state: State, seen: Seen, now: datetime) -> State:
    """What the annotation says, once: the same words again say nothing new."""
    word = seen.order.split()[0].partition("-")[0].lower() if seen.order.split() else ""
    known = replace(state, candidate=seen.wanted, order=seen.order, report=state.report if state.candidate == seen.wanted else None)
    if word == "promote":
        return replace(_promoted(known, now), message="promoted by hand")
    if word == "abort":
        return _refused(known, "aborted by hand", now)
    if word == "retry":
        return replace(_begun(state, seen, now), order=seen.order)
    unknown = f"{seen.order!r:.60} is no order: the annotation takes promote, abort or retry"
    return replace(state, order=seen.order, message=f"{state.message}; {unknown}" if state.message else unknown)


def _from_starting(rollout: Rollout, state: State, seen: Seen, now: datetime) -> State:
    if seen.is_available:
        if rollout.golden is not None:
            return replace(state, phase=Phase.MEASURING, since=_text(now), message=MEASURING)
        return _shifting(rollout, state, now)
    if seen.crashes >= CRASHES:
        return _refused(state, f"its pods end again and again: {seen.trouble or 'their log says why'}", now)
    if _age(state, now) > seen.start_s:
        return _refused(
            state, f"its pods did not become ready in {seen.start_s:.0f} s: {seen.trouble or 'their log says why'}", now
        )
    return state


def _from_measuring(rollout: Rollout, state: State, seen: Seen, now: datetime) -> State:
    if seen.job == "failed":
        return _refused(state, f"the golden set could not be read by both: {seen.job_said or 'the log of the Job says why'}", now)
    if seen.job == "done":
        report = Report.read(seen.job_said)
        if report is None:  # its pod is gone, or said nothing: what was measured is lost
            return replace(_begun(state, seen, now), message="the golden set is read once more, since what was measured is lost")
        state = replace(state, report=report)
        found = faults(rollout, report)
        if found:
            return _refused(state, "; ".join(found), now)
        return _shifting(rollout, state, now) if rollout.strategy == "Canary" else _promoted(state, now)
    if seen.job == "pending" and _age(state, now) > seen.start_s:
        return _refused(state, f"the golden set could not be read by both: {seen.job_said or 'its pod did not start'}", now)
    if _age(state, now) > MEASURE_S:
        return _refused(
            state, f"the golden set was not read in {MEASURE_S} s: {seen.job_said or 'the log of the Job says why'}", now
        )
    if seen.job == "pending" and seen.job_said:
        return replace(state, message=f"{NOT_YET}: {seen.job_said}")
    return replace(state, message=MEASURING) if seen.job == "running" and state.message.startswith(NOT_YET) else state


def _from_shifting(rollout: Rollout, state: State, seen: Seen, now: datetime) -> State:
    if seen.crashes >= CRASHES:
        return _refused(state, f"its pods end again and again: {seen.trouble or 'their log says why'}", now)
    if _age(state, now) < (rollout.canary_seconds or DEFAULT_CANARY_S):
        return state
    if not seen.is_available:
        return _refused(state, f"its pods do not all answer: {seen.trouble or 'their log says why'}", now)
    return _promoted(state, now)


def _shifting(rollout: Rollout, state: State, now: datetime) -> State:
    share = f"takes some {rollout.weight or 10} % of the requests for {rollout.canary_seconds or DEFAULT_CANARY_S} s"
    measured = f"; {figures_sentence(state.report)}" if state.report else ""
    return replace(state, phase=Phase.SHIFTING, since=_text(now), message=f"{share}{measured}")


def _promoted(state: State, now: datetime) -> State:
    measured = f": {figures_sentence(state.report)}" if state.report else ""
    message = f"promoted{measured}"
    return replace(state, phase=Phase.PROMOTED, accepted=state.candidate, since=_text(now), message=message)


def _refused(state: State, why: str, now: datetime) -> State:
    return replace(state, phase=Phase.REFUSED, since=_text(now), message=f"the old one is kept: {why}")


def _age(state: State, now: datetime) -> float:
    try:
        return (now - datetime.strptime(state.since, FORMAT).replace(tzinfo=UTC)) / timedelta(seconds=1)
    except ValueError:
        return float("inf")


def _text(now: datetime) -> str:
    return now.astimezone(UTC).strftime(FORMAT)
