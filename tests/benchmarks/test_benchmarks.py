"""What the three benchmarks conclude from what they see, and that they run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from benchmarks.library import support
from benchmarks.library.clock import Clock
from benchmarks.library.support import BenchmarkError
from benchmarks.memory import Sample
from benchmarks.overhead import Round

from benchmarks import accuracy, gpu, memory, overhead


def test_each_step_is_charged_for_what_its_inner_steps_leave() -> None:
    now = iter([0.0, 2.0, 5.0, 6.0, 100.0, 101.0])
    clock = Clock(lambda: next(now))

    def outer() -> None:
        inner()

    inner = clock.timed("inner", lambda: None)
    clock.timed("outer", outer)()
    inner()
    assert clock.seconds == {"outer": 3.0, "inner": 4.0}


def test_a_shuffle_takes_every_page_before_any_again_and_is_the_same_for_a_seed() -> None:
    images = [Path(name) for name in "abcde"]
    order = memory.shuffled(images, 12, seed=1)
    assert len(order) == 12
    assert set(order[:5]) == set(order[5:10]) == set(images)
    assert order[:5] != order[5:10]
    assert memory.shuffled(images, 12, seed=1) == order


def test_memory_is_compared_with_that_after_fifty_requests() -> None:
    samples = [Sample(0, 10), Sample(50, 200), Sample(100, 240), Sample(150, 230)]
    assert memory.growth(samples) == pytest.approx(1.15)
    assert "MISSED" in memory.summary("x", samples, 1.15)


def test_overhead_is_the_median_round() -> None:
    rounds = [Round(worker=w, front=0.5, networks=10.0, steps={"networks": 10.0, "crops": 0.2}) for w in (9.7, 10.1, 11.5)]
    row = overhead.figure("x", rounds, page_count=2).splitlines()[-1]
    assert row.replace(" ", "") == "|x|5.300|5.000|1.060|1.020|1.200|1.05|MISSED|"
    assert overhead.step_costs(rounds, 2) == {"networks": 5.0, "crops": 0.1, overhead.FRONT: 0.25}


def test_pages_of_both_kinds_take_turns(data: Path) -> None:
    assert [page.name for page in overhead.sample_pages(data, 6)] == ["a.png", "b.jpg"]
    assert [page.name for page in overhead.sample_pages(data, 1)] == ["a.png"]


def test_without_a_folder_the_pages_of_the_repository_are_taken() -> None:
    shipped = overhead.sample_pages(None, 3)
    assert len(shipped) == 3
    assert all(page.is_file() for page in shipped)


@pytest.mark.models
def test_a_service_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the user set for services of theirs must not reach this one; the next line would be refused first.
    monkeypatch.setenv("OCR_SERVING_PORT", "nonsense")
    with pytest.raises(BenchmarkError, match=r"did not start: .*workers"), support.serve("PP-OCRv6_tiny", workers=0):
        pass


@pytest.fixture
def data(tmp_path: Path, invoice: Callable[[str], bytes]) -> Path:
    """A folder as the benchmarks want it, with one form and one receipt."""
    forms, receipts = tmp_path / "forms" / "testing", tmp_path / "receipts"
    for folder in (forms / "images", forms / "annotations", receipts):
        folder.mkdir(parents=True)
    (forms / "images" / "a.png").write_bytes(invoice(".png"))
    (forms / "annotations" / "a.json").write_text(json.dumps({"form": [{"words": [{"text": "Invoice"}, {"text": "No."}]}]}))
    (receipts / "b.jpg").write_bytes(invoice(".jpg"))
    (receipts / "b.csv").write_text("0,0,9,0,9,9,0,9,INVOICE 42\n")
    return tmp_path


@pytest.fixture
def invoice() -> Callable[[str], bytes]:
    """A page that says "INVOICE 42", as a file of the format asked for."""

    def encoded(suffix: str) -> bytes:
        page = np.full((200, 400, 3), 255, np.uint8)
        cv2.putText(page, "INVOICE 42", (20, 110), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (0, 0, 0), 3, cv2.LINE_AA)
        return bytes(cv2.imencode(suffix, page)[1])

    return encoded


@pytest.mark.models
def test_accuracy_reads_pages_through_a_service(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--data", str(data), "--models", "PP-OCRv6_tiny", "--json", str(tmp_path / "out.json")]
    assert accuracy.main([*command, "--altered", "0"]) == 1
    forms, receipts = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert (forms["word_f1"], forms["reached"]) == (0.5, False)
    assert (receipts["word_f1"], receipts["reached"]) == (1.0, True)
    assert 0 < receipts["cpu_s_per_page"] < 60
    assert "MISSED" in capsys.readouterr().out
    assert accuracy.main([*command, "--limit", "1", "--ways", "skewed", "long"]) == 0
    rows = json.loads((tmp_path / "out.json").read_text())["altered"]
    assert [row["altered"] for row in rows] == 2 * ["skewed by 15", "skewed by -15", "5 in one"]
    assert all(row["word_f1"] == row["as_they_are"] for row in rows)


@pytest.mark.models
def test_overhead_tells_the_steps_apart(data: Path, tmp_path: Path) -> None:
    few = ["--models", "PP-OCRv6_tiny", "--pages", "2", "--rounds", "1"]
    assert overhead.main(["--data", str(data), *few, "--json", str(tmp_path / "out.json")]) in (0, 1)
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures["pages"] == 2
    assert figures["ratio"] > 0
    steps = figures["steps_cpu_s_per_page"]
    assert max(steps, key=steps.__getitem__) == "networks"
    assert {"reading order, crops", "recognition around its network", overhead.FRONT} < set(steps)


@pytest.mark.models
def test_batching_is_measured_the_same_way_without_a_gpu(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--models", "PP-OCRv6_tiny", "--clients", "2", "--seconds", "1", "--workers", "2"]
    command = ["--data", str(data), "--device", "cpu", *few, "--json", str(tmp_path / "out.json")]
    assert gpu.main(command) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    (read,), (row,) = found["reads"], found["rows"]
    assert read["f1"] == read["f1_cpu"] == 0.5
    assert row["answered"] >= 1
    assert (row["lost"], row["unwarmed"], row["memory_mib"]) == (0, 0, None)
    assert 0 < row["busy"] <= 1
    assert row["rows_per_batch"] >= 1
    assert row["filled"] == 1
    assert "| PP-OCRv6_tiny |" in capsys.readouterr().out


def test_a_machine_without_a_gpu_is_told_so(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert gpu.main(["--data", str(data)]) == 2
    assert "There is no nvidia-smi here" in capsys.readouterr().err


def test_a_folder_without_pages_is_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy.main(["--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("benchmarks.accuracy: There are no .png files in")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", ".", "--models", "PP-OCRv9"], "there is no model set 'PP-OCRv9': take one of PP-OCRv6_small"),
        (["--data", ".", "--json", "nowhere/out.json"], "nowhere/out.json cannot be written"),
        (["--data", ".", "--requests", "50"], "give more than 50"),
    ],
)
def test_options_are_checked_before_anything_starts(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        memory.main(arguments)
    assert said in capsys.readouterr().err
