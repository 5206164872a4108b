"""What `benchmarks.serving` makes of what it saw: figures, tables, and whether they are reached. Pure."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.library import load, report, support
from benchmarks.library.load import Load
from benchmarks.library.servers import FLOOR, OURS

LEAST_OF_FLOOR, FLOOR_FROM = 0.95, 4
LEAST_OF_BEST, MOST_CLIENTS = 0.95, 64
MOST_SPREAD, SPREAD_AT = 3.0, 16
PEERS_AT = 4
LEAST_ALONE = 0.85
"""Of the pages/s of many clients, what one gets, where they are no fewer than the cores."""

MOST_LATENCY: Mapping[str, Mapping[str, float]] = {"PP-OCRv6_small": {"faster-paddle": 0.9}}
LEAST_OF_PEERS: Mapping[str, Mapping[str, float]] = {
    "PP-OCRv4_mobile": {"paddlex-paddle": 3.0, "paddlex-onnxruntime": 2.3, "hubserving": 4.5},
    "PP-OCRv6_small": {"faster-paddle-parted": 1.15},
}
"""What is to be reached, and at how many clients: throughput of the floor's, of our best, p99 over p50, of the peers'."""

Key = tuple[str, int]


@dataclass(frozen=True)
class Measured:
    """One run of one server: the CPU seconds it took, its memory at the end (bytes), the CPU seconds of the clients beside it."""

    load: Load
    cpu_s: float
    resident: int
    clients_cpu_s: float = 0.0


@dataclass(frozen=True)
class Row:
    """A server at a number of clients: latencies in seconds, pooled over its rounds; ratios to the floor, one a round."""

    server: str
    clients: int
    answered: int
    rate: float
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    cpu_s_per_page: float | None
    resident_mb: float
    lines_per_page: float | None
    refused: int
    refused_p50_s: float | None
    refused_most_s: float | None
    lost: int
    measured: str
    of_floor: tuple[float, ...] = ()
    cpu_of_floor: tuple[float, ...] = ()
    clients_cpu_s_per_page: float = 0.0
    engines: str = ""

    @property
    def key(self) -> Key:
        """What it is the only row of."""
        return self.server, self.clients


@dataclass(frozen=True)
class Verdict:
    """A figure that is judged."""

    what: str
    value: str
    bound: str
    reached: bool


def row(server: str, runs: Sequence[Measured], *, measured: str, engines: str = "", floor: Sequence[Measured] = ()) -> Row:
    """The figures of one server at one number of clients; `floor` are the floor's runs in the same rounds, or none."""
    loads = [run.load for run in runs]
    answered = [seconds for one in loads for seconds in one.answered]
    refused = [seconds for one in loads for seconds in one.refused]
    pages, lines = len(answered), sum(one.lines for one in loads)
    pairs = [pair for pair in zip(runs, floor, strict=bool(floor)) if all(run.load.answered for run in pair)] if floor else []
    return Row(
        server=server,
        clients=loads[0].clients,
        answered=pages,
        rate=pages / sum(one.seconds for one in loads),
        p50_s=load.percentile(answered, 0.50),
        p95_s=load.percentile(answered, 0.95),
        p99_s=load.percentile(answered, 0.99),
        cpu_s_per_page=sum(run.cpu_s for run in runs) / pages if pages else None,
        resident_mb=max(run.resident for run in runs) / 2**20,
        lines_per_page=lines / pages if lines else None,
        refused=len(refused),
        refused_p50_s=load.percentile(refused, 0.50),
        refused_most_s=max(refused, default=None),
        lost=sum(len(one.lost) for one in loads),
        measured=measured,
        of_floor=tuple(ours.load.rate / theirs.load.rate for ours, theirs in pairs),
        cpu_of_floor=tuple(_cpu_per_page(ours) / _cpu_per_page(theirs) for ours, theirs in pairs),
        engines=engines,
        clients_cpu_s_per_page=sum(run.clients_cpu_s for run in runs) / pages if pages else 0.0,
    )


def _cpu_per_page(run: Measured) -> float:
    return run.cpu_s / len(run.load.answered)


def requests(pages: int, *, clients: int, parallel: int, rate: float, seconds: float) -> int:
    """How many requests a run makes that is to take `seconds` at `rate` (pages/s, `parallel` at once): whole rounds of the pages.

    Where there are several clients they are enough for all to be busy while a round is read.
    """
    expected = rate * min(clients, parallel) / parallel * seconds
    return len(load.sequence(pages, max(round(expected), clients + pages if clients > 1 else pages)))


def merged(earlier: Iterable[Row], rows: Iterable[Row]) -> list[Row]:
    """`rows`, and those of `earlier` that are of another server or number of clients, by clients within each server."""
    found = {one.key: one for one in itertools.chain(earlier, rows)}
    order = list(dict.fromkeys([OURS, FLOOR, *(server for server, _ in found)]))
    return sorted(found.values(), key=lambda one: (order.index(one.server), one.clients))


def from_json(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows as `to_json` wrote them."""
    return [Row(**{**one, "of_floor": tuple(one["of_floor"]), "cpu_of_floor": tuple(one["cpu_of_floor"])}) for one in rows]


def to_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows for a JSON file."""
    return [dataclasses.asdict(one) for one in rows]


def judged(rows: Iterable[Row], model_set: str, labels: Mapping[str, str], cores: int | None = None) -> list[Verdict]:
    """All that can be judged of what was measured, on a machine of so many cores."""
    by_key = {one.key: one for one in rows}
    ours = {clients: one for (server, clients), one in by_key.items() if server == OURS}
    found = [
        _at_least(f"of the floor's pages/s, {clients} clients", statistics.median(one.of_floor), LEAST_OF_FLOOR)
        for clients, one in sorted(ours.items())
        if clients >= FLOOR_FROM and one.of_floor
    ]
    if cores is not None and cores <= PEERS_AT and {1, PEERS_AT} <= ours.keys() and ours[PEERS_AT].rate:
        alone = ours[1].rate / ours[PEERS_AT].rate
        found.append(_at_least(f"of its own pages/s at {PEERS_AT} clients, 1 client", alone, LEAST_ALONE))
    for peer, most in MOST_LATENCY.get(model_set, {}).items():
        theirs = by_key.get((peer, 1))
        if theirs and theirs.p50_s and 1 in ours and ours[1].p50_s:
            share = ours[1].p50_s / theirs.p50_s
            what = f"of the p50 of {labels.get(peer, peer)}, 1 client"
            found.append(Verdict(what, f"{share:.2f}", f"at most {most:.2f}", share <= most))
    for peer, least in LEAST_OF_PEERS.get(model_set, {}).items():
        theirs = by_key.get((peer, PEERS_AT))
        if theirs and PEERS_AT in ours and theirs.rate:
            label = f"times {labels.get(peer, peer)}, {PEERS_AT} clients"
            found.append(_at_least(label, ours[PEERS_AT].rate / theirs.rate, least))
    if SPREAD_AT in ours:
        found += _spread(ours[SPREAD_AT])
    for clients, one in sorted(ours.items()):
        if clients >= MOST_CLIENTS:
            found += _crowd(one, [other.rate for other in ours.values() if other.clients < MOST_CLIENTS])
    return found


def _at_least(what: str, value: float, least: float) -> Verdict:
    return Verdict(what, f"{value:.2f}", f"at least {least:.2f}", value >= least)


def _spread(one: Row) -> list[Verdict]:
    found = [Verdict(f"lost, {one.clients} clients", str(one.lost), "none", not one.lost)]
    if one.p50_s and one.p99_s:
        spread = one.p99_s / one.p50_s
        found.insert(
            0, Verdict(f"p99 over p50, {one.clients} clients", f"{spread:.2f}", f"at most {MOST_SPREAD:g}", spread <= MOST_SPREAD)
        )
    return found


def _crowd(one: Row, others: Sequence[float]) -> list[Verdict]:
    excess = Verdict(f"lost rather than answered or refused, {one.clients} clients", str(one.lost), "none", not one.lost)
    if not others or not max(others):
        return [excess]
    return [_at_least(f"of our best pages/s, {one.clients} clients", one.rate / max(others), LEAST_OF_BEST), excess]


def reached(verdicts: Sequence[Verdict]) -> bool | None:
    """Whether all that was judged is reached; None where nothing was."""
    return all(one.reached for one in verdicts) if verdicts else None


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """What was judged, as Markdown."""
    rows = [[one.what, one.value, one.bound, support.verdict(one.reached)] for one in verdicts]
    return report.markdown_table(["ours", "is", "to reach", ""], rows)


def table(rows: Sequence[Row], labels: Mapping[str, str]) -> str:
    """All figures, as Markdown."""
    header = ["", "clients", "pages/s", "of the floor", "p50 s", "p95 s", "p99 s", "CPU s/page", "MB", "lines/page"]
    header += ["answered", "refused", "lost", "measured"]
    return report.markdown_table(header, [_cells(one, labels) for one in rows])


def remarks(rows: Sequence[Row]) -> str:
    """What a reader of the table has to know."""
    clients = max(one.clients_cpu_s_per_page for one in rows)
    engines = next((f" The service's networks ran on {one.engines}, as the floor's." for one in rows if one.engines), "")
    return (
        "lines/page: pieces of text found, which tells whether servers did the same work. refused: a 503, after which the client"
        f" tries again, {load.LONGEST_PAUSE_S:g} s later at most; its latencies are not among the others. The clients ran on the"
        f" same cores and took at most {clients:.3f} CPU seconds a page.{engines}"
    )


def _cells(one: Row, labels: Mapping[str, str]) -> list[str]:
    refused = str(one.refused)
    if one.refused_p50_s is not None and one.refused_most_s is not None:
        refused += f" (p50 {1000 * one.refused_p50_s:.0f} ms, at most {1000 * one.refused_most_s:.0f} ms)"
    return [
        labels.get(one.server, one.server),
        str(one.clients),
        f"{one.rate:.2f}",
        f"{statistics.median(one.of_floor):.2f}" if one.of_floor else "",
        *("" if value is None else f"{value:.2f}" for value in (one.p50_s, one.p95_s, one.p99_s, one.cpu_s_per_page)),
        f"{one.resident_mb:.0f}",
        "" if one.lines_per_page is None else f"{one.lines_per_page:.1f}",
        str(one.answered),
        refused,
        str(one.lost),
        one.measured,
    ]
