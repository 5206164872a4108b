"""What is concluded from measured loads."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from benchmarks.library import figures, plot
from benchmarks.library.figures import Measured, Row
from benchmarks.library.load import Load
from benchmarks.library.support import BenchmarkError

LABELS = {"ours": "us", "paddlex-paddle": "PaddleX"}


def one(server: str = "ours", clients: int = 4, rate: float = 1.0, **more: Any) -> Row:
    values: dict[str, Any] = {
        "answered": 10,
        "p50_s": 1.0,
        "p95_s": 2.0,
        "p99_s": 3.0,
        "cpu_s_per_page": 1.5,
        "resident_mb": 600.0,
        "lines_per_page": 40.0,
        "refused": 0,
        "refused_p50_s": None,
        "refused_most_s": None,
        "lost": 0,
        "measured": "2026-01-01 00:00",
    }
    return Row(server=server, clients=clients, rate=rate, **(values | more))


def test_rounds_are_pooled_and_compared_with_the_floor_of_the_same_round() -> None:
    ours = [
        Measured(Load(4, 10.0, (1.0, 3.0), refused=(0.002,), lost=("code 500",), lines=8), 6.0, 100 << 20, 0.1),
        Measured(Load(4, 10.0, (2.0, 4.0), refused=(0.004,), lines=8), 4.0, 200 << 20, 0.3),
    ]
    floor = [Measured(Load(4, 8.0, (1.0, 1.0)), 4.0, 1), Measured(Load(4, 5.0, (1.0, 1.0)), 4.0, 1)]
    found = figures.row("ours", ours, measured="now", floor=floor)
    assert (found.answered, found.rate, found.cpu_s_per_page, found.resident_mb) == (4, 0.2, 2.5, 200.0)
    assert (found.p50_s, found.p99_s, found.lines_per_page, found.lost) == (2.0, 4.0, 4.0, 1)
    assert (found.refused, found.refused_p50_s, found.refused_most_s) == (2, 0.002, 0.004)
    assert found.of_floor == pytest.approx((0.8, 0.5))
    assert found.cpu_of_floor == pytest.approx((1.5, 1.0))
    assert found.clients_cpu_s_per_page == pytest.approx(0.1)
    assert "ran on openvino" in figures.remarks([found, figures.row("floor", floor, measured="now", engines="openvino")])
    assert "at most 0.100 CPU seconds a page" in figures.remarks([one(), found])


def test_a_server_that_answered_nothing_still_has_a_row() -> None:
    found = figures.row("ours", [Measured(Load(4, 10.0, (), lost=("no answer",)), 1.0, 0)], measured="now")
    assert (found.rate, found.p50_s, found.cpu_s_per_page, found.lost) == (0.0, None, None, 1)
    assert figures.table([found], LABELS).count("\n") == 2


@pytest.mark.parametrize(
    ("clients", "rate", "expected"),
    [
        (1, 1.0, 16),  # half the rate of two workers for 30 s, in whole rounds of 8
        (4, 1.0, 32),
        (4, 0.1, 16),  # too slow: enough for 4 clients while all pages are read
        (64, 1.0, 72),
        (1, 0.01, 8),
    ],
)
def test_requests_fill_the_time_and_keep_all_clients_busy(clients: int, rate: float, expected: int) -> None:
    assert figures.requests(8, clients=clients, parallel=2, rate=rate, seconds=30) == expected


def test_a_later_run_replaces_only_what_it_measured_again() -> None:
    earlier = [one("paddlex-paddle"), one("ours", 1, 0.5), one("ours", 4, 0.5)]
    rows = figures.merged(earlier, [one("ours", 4, 0.9), one("floor", 4)])
    assert [(row.server, row.clients, row.rate) for row in rows] == [
        ("ours", 1, 0.5),
        ("ours", 4, 0.9),
        ("floor", 4, 1.0),
        ("paddlex-paddle", 4, 1.0),
    ]


def test_rows_survive_a_file() -> None:
    rows = [one(of_floor=(0.9, 1.0), cpu_of_floor=(1.1, 1.0)), one("floor")]
    assert figures.from_json(json.loads(json.dumps(figures.to_json(rows)))) == rows


def judge(*rows: Row, model_set: str = "PP-OCRv4_mobile") -> dict[str, bool]:
    return {verdict.what: verdict.reached for verdict in figures.judged(rows, model_set, LABELS)}


def test_the_floor_is_judged_by_the_median_round_from_four_clients_on() -> None:
    assert judge(one(clients=1, of_floor=(0.1,))) == {}
    assert judge(one(of_floor=(0.2, 0.96, 0.95))) == {"of the floor's pages/s, 4 clients": True}
    assert judge(one(of_floor=(0.94, 0.94, 1.2))) == {"of the floor's pages/s, 4 clients": False}


def test_peers_are_judged_with_four_clients_and_only_for_the_weights_they_share() -> None:
    what = "times PaddleX, 4 clients"
    assert judge(one(rate=3.0), one("paddlex-paddle", rate=1.0)) == {what: True}
    assert judge(one(rate=2.9), one("paddlex-paddle", rate=1.0)) == {what: False}
    assert judge(one(rate=2.9), one("paddlex-paddle", clients=1)) == {}
    assert judge(one(rate=2.9), one("paddlex-paddle"), model_set="PP-OCRv6_small") == {}
    assert judge(one(rate=2.9), one("rapidocr")) == {}


def test_one_client_is_judged_by_what_four_get_where_they_are_no_fewer_than_the_cores() -> None:
    what = "of its own pages/s at 4 clients, 1 client"
    for rate, reached in ((0.85, True), (0.84, False)):
        rows = [one(clients=1, rate=rate), one(clients=4, rate=1.0)]
        verdicts = figures.judged(rows, "x", LABELS, 2)
        assert [(verdict.what, verdict.reached) for verdict in verdicts] == [(what, reached)]
        assert figures.judged(rows, "x", LABELS, 16) == []


def test_the_wait_of_one_client_is_judged_by_a_peer_that_parts_pages() -> None:
    theirs = one("faster-paddle", clients=1, p50_s=1.0)
    what = "of the p50 of faster-paddle, 1 client"
    assert judge(one(clients=1, p50_s=0.9), theirs, model_set="PP-OCRv6_small") == {what: True}
    assert judge(one(clients=1, p50_s=0.91), theirs, model_set="PP-OCRv6_small") == {what: False}
    assert judge(one(clients=1, p50_s=0.91), theirs) == {}


def test_latency_and_losses_are_judged_at_sixteen_clients() -> None:
    assert judge(one(clients=16)) == {"p99 over p50, 16 clients": True, "lost, 16 clients": True}
    assert judge(one(clients=16, p99_s=3.1, lost=1)) == {"p99 over p50, 16 clients": False, "lost, 16 clients": False}


def test_a_crowd_is_judged_against_our_best_with_fewer_clients() -> None:
    best, lost = "of our best pages/s, 64 clients", "lost rather than answered or refused, 64 clients"
    fewer = [one(clients=1, rate=0.5), one(clients=4, rate=1.0)]
    assert judge(*fewer, one(clients=64, rate=0.95, refused=9)) == {best: True, lost: True}
    assert judge(*fewer, one(clients=64, rate=0.94, lost=2)) == {best: False, lost: False}
    assert judge(one(clients=64, rate=0.94)) == {lost: True}


def test_nothing_judged_is_neither_reached_nor_missed() -> None:
    assert figures.reached([]) is None
    verdicts = figures.judged([one(clients=16), one(clients=64, rate=0.1, lost=1)], "x", LABELS)
    assert figures.reached(verdicts) is False
    assert "MISSED" in figures.verdict_table(verdicts)
    assert figures.reached(verdicts[:2]) is True


def test_a_table_tells_refusals_from_losses() -> None:
    refusing = one(refused=7, refused_p50_s=0.003, refused_most_s=0.0204, lost=2, of_floor=(0.5, 0.97, 1.0))
    cells = [cell.strip() for cell in figures.table([refusing], LABELS).splitlines()[-1].split("|")[1:-1]]
    assert cells[:5] == ["us", "4", "1.00", "0.97", "1.00"]
    assert cells[-3:-1] == ["7 (p50 3 ms, at most 20 ms)", "2"]


def test_a_plot_has_a_line_for_each_server_over_rising_clients() -> None:
    rows = [one(clients=16, rate=2.0), one(clients=1, rate=0.5), one("floor", p99_s=None)]
    assert plot.lines(rows, "rate") == {"ours": ([1, 16], [0.5, 2.0]), "floor": ([4], [1.0])}
    assert plot.lines(rows, "p99_s") == {"ours": ([1, 16], [3.0, 3.0])}


def test_without_matplotlib_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BenchmarkError, match=r"benchmarks/requirements\.txt"):
        plot.require()
