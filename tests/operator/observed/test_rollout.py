"""What comes next in a rollout, from what is asked for and what is seen."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_operator.api.parts import Rollout
from ocr_operator.observed.rollout import Figures, Phase, Report, Seen, State, faults, next_state, seconds_left

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SINCE = "2026-01-02T03:04:05Z"
GATED = Rollout.model_validate({"strategy": "Gated", "golden": {"configMap": "g"}, "minWordF1": 0.9, "maxCpuRatio": 1.5})
CANARY = Rollout.model_validate({"strategy": "Canary", "canarySeconds": 60, "weight": 20})
BOTH = Rollout.model_validate({"strategy": "Canary", "golden": {"configMap": "g"}, "canarySeconds": 60})
OLD, NEW = '{"image":"old"}', '{"image":"new"}'


def said(f1: float, cpu_s: float = 1.0, seconds: float = 1.0, old: float = 0.95) -> str:
    figures = {
        "old": {"wordF1": old, "seconds": 1.0, "cpuSeconds": 1.0},
        "new": {"wordF1": f1, "seconds": seconds, "cpuSeconds": cpu_s},
    }
    return f"a line of a log\n{json.dumps({'pages': 3, **figures})}\n"


def at(phase: Phase, **fields: Any) -> State:
    return State(phase, OLD, NEW, SINCE, **fields)


def after(state: State | None, rollout: Rollout = GATED, *, seconds: float = 0, **seen: Any) -> State | None:
    return next_state(rollout, state, Seen(**{"wanted": NEW, **seen}), NOW + timedelta(seconds=seconds))


def phase_after(state: State | None, rollout: Rollout = GATED, *, seconds: float = 0, **seen: Any) -> Phase | None:
    found = after(state, rollout, seconds=seconds, **seen)
    return found.phase if found else None


def test_what_is_first_seen_is_accepted_and_what_rolls_has_no_state() -> None:
    assert after(None, wanted=OLD) == State(Phase.ACCEPTED, OLD)
    assert next_state(None, at(Phase.MEASURING), Seen(NEW), NOW) is None
    assert next_state(Rollout(strategy="Rolling"), at(Phase.MEASURING), Seen(NEW), NOW) is None


def test_a_change_is_tried_measured_and_promoted() -> None:
    state = after(State(Phase.ACCEPTED, OLD))
    assert state is not None
    assert (state.phase, state.accepted, state.candidate) == (Phase.STARTING, OLD, NEW)
    assert after(state) == state
    state = after(state, is_available=True)
    assert state is not None
    assert state.phase is Phase.MEASURING
    assert after(state, is_available=True, job="running") == state
    state = after(state, is_available=True, job="done", job_said=said(0.95))
    assert state is not None
    assert (state.phase, state.accepted) == (Phase.PROMOTED, NEW)
    assert state.message == "promoted: word F1 0.950 (old 0.950), 1.000 s a page (old 1.000), CPU 1.000 s (old 1.000) on 3 pages"
    assert after(state) == state


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (said(0.8), "word F1 0.800 is below minWordF1 0.9"),
        (said(0.94), "word F1 fell from 0.950 to 0.940, by more than 0.005"),
        (said(0.95, cpu_s=1.6), "1.600 CPU seconds a page are 1.60 times the 1.000 of the old one, over maxCpuRatio 1.5"),
        (said(0.95).replace(', "cpuSeconds": 1.0', ""), "one of the two does not tell its CPU seconds"),
        (said(0.95).replace('"pages": 3', '"pages": 0'), "the golden set has no pages"),
    ],
)
def test_what_is_worse_is_kept_out_and_it_is_said_why(words: str, why: str) -> None:
    state = after(at(Phase.MEASURING), is_available=True, job="done", job_said=words)
    assert state is not None
    assert (state.phase, state.accepted, state.candidate) == (Phase.REFUSED, OLD, NEW)
    assert why in state.message
    assert state.message.startswith("the old one is kept: ")
    assert after(state) == state


@pytest.mark.parametrize(
    ("phase", "seen", "why"),
    [
        (Phase.STARTING, {"crashes": 2, "trouble": "no such weights"}, "its pods end again and again: no such weights"),
        (Phase.STARTING, {"seconds": 601}, "did not become ready in 600 s"),
        (Phase.MEASURING, {"job": "failed", "job_said": "a.png has no a.txt"}, "a.png has no a.txt"),
        (Phase.MEASURING, {"job": "running", "job_said": "it hangs", "seconds": 1801}, "it hangs"),
        (Phase.MEASURING, {"job": "pending", "job_said": "no such claim", "seconds": 601}, "no such claim"),
        (Phase.MEASURING, {"job": "pending", "seconds": 601}, "its pod did not start"),
    ],
)
def test_what_does_not_work_is_kept_out(phase: Phase, seen: dict[str, Any], why: str) -> None:
    state = after(at(phase), **seen)
    assert state is not None
    assert state.phase is Phase.REFUSED
    assert why in state.message


def test_what_keeps_the_golden_set_from_being_read_is_told_while_it_does() -> None:
    state = after(at(Phase.MEASURING), job="pending")
    assert state is not None
    kept = after(state, job="pending", job_said="no such claim")
    assert kept is not None
    assert (kept.phase, kept.message) == (Phase.MEASURING, "the golden set is not read yet: no such claim")
    assert after(kept, job="pending", job_said="no such claim") == kept
    assert seconds_left(GATED, kept, Seen(NEW, job="pending"), NOW) == 601
    going_on = after(kept, job="running")
    assert going_on is not None
    assert (going_on.phase, going_on.message) == (Phase.MEASURING, "the golden set is read by both")


def test_what_was_measured_and_is_lost_is_measured_again() -> None:
    assert phase_after(at(Phase.MEASURING), job="done", job_said="") is Phase.STARTING


def test_a_canary_takes_its_share_for_a_while() -> None:
    state = after(at(Phase.STARTING), CANARY, is_available=True)
    assert state is not None
    assert state.phase is Phase.SHIFTING
    assert "some 20 % of the requests for 60 s" in state.message
    assert after(state, CANARY, seconds=59, is_available=True) == state
    assert phase_after(state, CANARY, seconds=60, is_available=True) is Phase.PROMOTED
    assert phase_after(state, CANARY, seconds=60) is Phase.REFUSED
    assert phase_after(state, CANARY, seconds=1, crashes=2) is Phase.REFUSED


def test_a_canary_with_a_golden_set_is_measured_first() -> None:
    assert phase_after(at(Phase.STARTING), BOTH, is_available=True) is Phase.MEASURING
    assert phase_after(at(Phase.MEASURING), BOTH, job="done", job_said=said(0.96)) is Phase.SHIFTING
    assert phase_after(at(Phase.MEASURING), BOTH, job="done", job_said=said(0.5)) is Phase.REFUSED


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.MEASURING, Phase.SHIFTING, Phase.REFUSED])
def test_an_order_is_followed_once_in_every_phase(phase: Phase) -> None:
    rollout = BOTH
    for order, expected in (("promote", Phase.PROMOTED), ("abort", Phase.REFUSED), ("retry now", Phase.STARTING)):
        state = after(at(phase), rollout, order=order)
        assert state is not None
        assert state.phase is expected
    aborted = after(at(phase), rollout, order="abort")
    assert after(aborted, rollout, order="abort") == aborted
    assert phase_after(aborted, rollout, order="abort", wanted='{"image":"third"}') is Phase.STARTING
    assert phase_after(aborted, rollout, order="promote 2") is Phase.PROMOTED
    taken_away = after(aborted, rollout, order="")
    assert phase_after(taken_away, rollout, order="abort") is Phase.REFUSED


def test_a_word_that_is_no_order_is_said_and_changes_nothing() -> None:
    state = after(at(Phase.MEASURING, message="m"), order="promot")
    assert state is not None
    assert (state.phase, state.message) == (
        Phase.MEASURING,
        "m; 'promot' is no order: the annotation takes promote, abort or retry",
    )
    assert after(state, order="promot") == state


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.MEASURING, Phase.SHIFTING, Phase.REFUSED])
def test_going_back_to_what_serves_ends_it(phase: Phase) -> None:
    assert after(at(phase), wanted=OLD) == State(Phase.ACCEPTED, OLD)


PHASES = st.sampled_from(Phase)
SEEN = st.builds(
    Seen,
    wanted=st.sampled_from([OLD, NEW, '{"image":"third"}']),
    order=st.sampled_from(["", "promote", "abort", "retry", "x"]),
    is_available=st.booleans(),
    crashes=st.integers(0, 3),
    job=st.sampled_from([None, "pending", "running", "done", "failed"]),
    job_said=st.sampled_from(["", said(0.95), said(0.1)]),
)


@given(PHASES, st.sampled_from([GATED, CANARY, BOTH]), SEEN, st.floats(0, 4000))
def test_only_a_promotion_changes_what_serves_and_the_status_keeps_all(
    phase: Phase, rollout: Rollout, seen: Seen, seconds: float
) -> None:
    before = at(phase)
    if phase in (Phase.PROMOTED, Phase.ACCEPTED):
        before = replace(before, accepted=NEW)
    state = after(before, rollout, seconds=seconds, **vars(seen))
    assert state is not None
    assert state.accepted == before.accepted or state.phase is Phase.PROMOTED
    if state.phase is Phase.PROMOTED and before.is_running and seen.order != "promote":
        assert seen.is_available or seen.job == "done"
    # All of it stands in the status, so an operator that is killed goes on where it was.
    assert State.read(json.loads(json.dumps(state.status))) == state
    assert seconds_left(rollout, state, seen, NOW) is None or state.is_running


def test_limits_are_judged_with_what_rounding_leaves() -> None:
    report = Report(3, Figures(0.95, 1.0), Figures(0.945, 1.0))
    assert faults(Rollout.model_validate({"strategy": "Gated", "golden": {"configMap": "g"}}), report) == []
