"""What is said of batching on a device: figures from /metrics and nvidia-smi, and what is judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.gpu import Card, Engines, Read, Row
from benchmarks.library.load import Load
from benchmarks.library.support import BenchmarkError

from benchmarks import gpu

METRICS = """\
# TYPE ocr_serving_requests counter
ocr_serving_requests_total{module="ocr_system",status="000",code="200"} 9.0
# TYPE ocr_serving_engine_ready gauge
ocr_serving_engine_ready{engine="0"} 1.0
ocr_serving_engine_ready{engine="1"} 1.0
# TYPE ocr_serving_engine_busy_seconds counter
ocr_serving_engine_busy_seconds_total{engine="0"} 2.5
ocr_serving_engine_busy_seconds_total{engine="1"} 1.5
# TYPE ocr_serving_engine_unwarmed counter
ocr_serving_engine_unwarmed_total{engine="0"} 0.0
ocr_serving_engine_unwarmed_total{engine="1"} 1.0
# TYPE ocr_serving_engine_row_pixels counter
ocr_serving_engine_row_pixels_total{engine="0"} 100.0
ocr_serving_engine_row_pixels_total{engine="1"} 50.0
# TYPE ocr_serving_engine_batch_pixels counter
ocr_serving_engine_batch_pixels_total{engine="0"} 150.0
ocr_serving_engine_batch_pixels_total{engine="1"} 50.0
# TYPE ocr_serving_engine_restarts gauge
ocr_serving_engine_restarts 0.0
# TYPE ocr_serving_engine_batch_rows histogram
ocr_serving_engine_batch_rows_bucket{engine="0",le="+Inf"} 4.0
ocr_serving_engine_batch_rows_count{engine="0"} 4.0
ocr_serving_engine_batch_rows_sum{engine="0"} 20.0
ocr_serving_engine_batch_rows_bucket{engine="1",le="+Inf"} 1.0
ocr_serving_engine_batch_rows_count{engine="1"} 1.0
ocr_serving_engine_batch_rows_sum{engine="1"} 10.0
"""
NOTHING = Engines(2, 0, 0, 0, 0, 0, 0, 0)


def test_figures_of_a_run_are_what_the_engines_did_meanwhile() -> None:
    after = Engines.read(METRICS)
    seen = Load(16, 4.0, answered=(0.1, 0.2, 0.3, 0.4), refused=(0.01,), lost=("code 500",))
    looks = [Card(900, 40), Card(1000, 60)]
    row = gpu.row("PP-OCRv6_tiny", seen, NOTHING, after, looks, cpu_seconds=2.0)
    assert (row.answered, row.refused, row.lost, row.rate, row.p99_s) == (4, 1, 1, 1.0, 0.4)
    assert (row.busy, row.busy_nvidia) == (0.5, 0.5)
    assert (row.rows_per_batch, row.filled, row.unwarmed) == (6.0, 0.75, 1)
    assert (row.memory_mib, row.cpu_s_per_page) == (1000, 0.5)
    idle = gpu.row("PP-OCRv6_tiny", seen, after, after, [], cpu_seconds=2.0)
    assert (idle.rows_per_batch, idle.filled, idle.busy_nvidia, idle.memory_mib) == (0, 0, None, None)


def test_a_service_without_an_engine_process_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="no engine process"):
        Engines.read("# TYPE ocr_serving_in_flight gauge\nocr_serving_in_flight 0.0\n")


def test_what_nvidia_smi_says_of_several_cards_is_put_together() -> None:
    assert gpu.look_of("1000, 50\n3000, 100\n") == Card(4000, 75)
    for said in ("", "no devices were found", "12\n"):
        with pytest.raises((BenchmarkError, ValueError)):
            gpu.look_of(said)


READ = Read("PP-OCRv6_tiny", 50, f1=0.855, f1_cpu=0.8565, seconds_to_ready=20.0, memory_mib=4000)
SLOW = Row("PP-OCRv6_tiny", 16, 900, 90, 0.1, 0.2, 0.3, 0, 0, 0.5, 0.55, 12, 0.7, 0, 4000, 0.1)
FAST = Row("PP-OCRv6_tiny", 64, 1250, 125, 0.1, 0.2, 0.3, 7, 0, 0.6, 0.75, 24, 0.8, 0, 4100, 0.1)


def _missed(read: Read, *rows: Row, on_gpu: bool = True, whole: bool = True) -> set[str]:
    return {one.what.partition(": ")[2] for one in gpu.judged(read, rows, gpu=on_gpu, whole=whole) if not one.reached}


def test_the_fastest_run_is_judged_by_its_speed_and_all_by_what_they_lost() -> None:
    assert _missed(READ, SLOW, FAST) == set()
    assert _missed(READ, SLOW) == {"pages/s", "GPU busy"}
    assert _missed(READ, replace(SLOW, lost=1), FAST) == {"pages lost"}
    assert _missed(READ, replace(SLOW, unwarmed=1), FAST) == {"batches of a shape not warm"}
    assert _missed(READ, SLOW, replace(FAST, memory_mib=4300)) == {"video memory's growth"}
    assert _missed(replace(READ, f1=0.85), SLOW, FAST) == {"F1 apart from the CPU's"}


def test_without_a_gpu_or_all_pages_less_is_judged() -> None:
    assert _missed(READ, SLOW, on_gpu=False) == set()
    assert _missed(replace(READ, f1=0.5), SLOW, whole=False) == set()
    assert _missed(replace(READ, f1=0.5), SLOW, on_gpu=False) == {"F1 apart from the CPU's"}
