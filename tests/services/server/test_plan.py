"""From a command line and a machine to what is started."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from helpers.services import ECHO
from ocr_serving import cli
from ocr_serving.config import ServiceConfig, misspelt
from ocr_serving.errors import ConfigError
from ocr_serving.server import plan
from ocr_serving.stages import detection

OLD_FILE = {
    "modules_info": {"ocr_system": {"init_args": {"version": "1.0.0", "use_gpu": True}, "predict_args": {}}},
    "port": 8868,
    "use_multiprocess": False,
    "workers": 2,
    "gpu": "0",
}


def parse(*words: str) -> argparse.Namespace:
    return cli.parser().parse_args(["start", *words])


def settings(**values: Any) -> ServiceConfig:
    return ServiceConfig.model_validate({"modules_info": {"ocr_system": {}}} | values)


def test_the_old_file_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(OLD_FILE))
    config = plan.configuration(parse("-c", str(file), "-m", "ignored", "-p", "1"), {})
    assert (config.port, list(config.modules_info), config.use_gpu) == (8868, ["ocr_system"], True)
    workers = plan.environments(config, {}, cores=8, memory=None)
    assert [worker["CUDA_VISIBLE_DEVICES"] for worker in workers] == ["0"]


@pytest.mark.parametrize(
    ("module", "port"), [("ocr_det", 8865), ("ocr_cls", 8866), ("ocr_rec", 8867), ("ocr_system", 8868), ("ocr_system==1.0.0", 8868)]
)
def test_each_module_has_its_old_port(module: str, port: int) -> None:
    assert plan.configuration(parse("-m", module), {}).port == port


def test_options_beat_the_folder_and_the_environment_beats_both() -> None:
    args = parse("-m", "ocr_system", "-p", "9999", "--workers", "3", "--use_gpu")
    config = plan.configuration(args, {"OCR_SERVING_PORT": "7777", "OCR_SERVING_MAX_QUEUE": "5"})
    assert (config.port, config.max_queue, config.workers, config.use_gpu) == (7777, 5, 3, True)


def test_several_modules_in_one_service() -> None:
    assert list(plan.configuration(parse("-m", "ocr_det", "ocr_rec", "-m", "ocr_cls"), {}).modules_info) == [
        "ocr_det",
        "ocr_rec",
        "ocr_cls",
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Name a module with -m"),
        (("-m", "ocr_sistem"), "did you mean 'ocr_system'?"),
        (("-m", "./nowhere"), "is not a module: it has no __init__.py"),
        (("-c", "nowhere.json"), "nowhere.json cannot be read: No such file"),
        (("-m", "ocr_system", "-p", "0"), "-p: 'port'"),
        (("-m", "ocr_system", "--workers", "0"), "--workers: 'workers'"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(elsewhere: Path, words: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan.configuration(parse(*words), {})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "must hold a JSON object"),
        ("{}", "'modules_info'"),
        ('{"modules_info": {}}', "'modules_info'"),
        ('{"modules_info": {"ocr_system": {"init_arg": {}}}}', "unknown key 'modules_info.ocr_system.init_arg'"),
        ('{"modules_info": {"ocr_system": {}}, "prot": 1}', "unknown key 'prot' (did you mean 'port'?)"),
        ('{"modules_info": {"ocr_system": {}}, "http_status": "old"}', "'http_status'"),
        ('{"modules_info": {"ocr_system": {}}, "workers": "many"}', "'workers'"),
    ],
)
def test_a_bad_file_is_refused_with_the_key(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        plan.configuration(parse("-c", str(file)), {})
    assert says in str(caught.value)


def test_a_bad_variable_is_named_and_one_that_is_nearly_a_setting_too() -> None:
    with pytest.raises(ConfigError, match=r"^OCR_SERVING_TIMEOUT_S: 'timeout_s': .* got 'abc'"):
        plan.configuration(parse("-m", "ocr_system"), {"OCR_SERVING_TIMEOUT_S": "abc"})
    ours = {"OCR_SERVING_TIMEOUT": "5", "OCR_SERVING_PORT": "1", "OCR_SERVING_MODELS": "x", "OCR_SERVING_PORT_8868_TCP": "x"}
    assert misspelt(ours) == {"OCR_SERVING_TIMEOUT": "OCR_SERVING_TIMEOUT_S"}


def test_options_beside_a_file_are_told_to_be_ignored() -> None:
    assert plan.ignored(parse("-c", "config.json", "-p", "9", "--use_gpu", "--try")) == ["-p", "--use_gpu"]
    assert plan.ignored(parse("-m", "ocr_system", "-p", "9")) == []


def test_a_copied_and_renamed_folder_keeps_its_settings(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(ECHO, mine)
    (mine / "config.json").write_text('{"modules_info": {"echo": {"predict_args": {"delay": 0.5}}}, "port": 9123}')
    config = plan.configuration(parse("-m", str(mine)), {})
    assert (config.port, config.modules_info[str(mine)].predict_args) == (9123, {"delay": 0.5})


@pytest.mark.parametrize(
    ("values", "cores", "memory", "count"),
    [
        ({}, 4, None, 4),
        ({}, 4, 64 << 30, 4),
        ({}, 4, 14 << 30, 2),
        ({"max_pixels": 8_000_000}, 4, 14 << 30, 4),
        ({"engine_process": True}, 4, 14 << 30, 4),
        ({}, 4, 2 << 30, 1),
        ({}, 4, 1 << 20, 1),
        ({"workers": 2}, 4, None, 4),  # as before: counts only with use_multiprocess
        ({"workers": 2, "use_multiprocess": True}, 4, None, 2),
        ({"modules_info": {"ocr_system": {"init_args": {"cpu_threads": 4}}}}, 8, None, 2),
    ],
)
def test_workers_fit_the_machine_unless_told(values: dict[str, Any], cores: int, memory: int | None, count: int) -> None:
    workers = plan.environments(settings(**values), {}, cores=cores, memory=memory)
    assert len(workers) == count
    threads = values.get("modules_info", {}).get("ocr_system", {}).get("init_args", {}).get("cpu_threads", 1)
    assert workers[0]["OMP_NUM_THREADS"] == str(threads)


GPU = {"modules_info": {"ocr_system": {"init_args": {"use_gpu": True}}}}


def test_an_engine_process_a_gpu_and_workers_that_see_none() -> None:
    config = settings(**GPU, gpu="7", engine_process=True)
    environ = {"CUDA_VISIBLE_DEVICES": "2,3"}
    engines = plan.engine_environments(config, environ, cores=8)
    assert [engine["CUDA_VISIBLE_DEVICES"] for engine in engines] == ["2", "3"]
    workers = plan.environments(config, environ, cores=8, memory=None)
    assert [worker["CUDA_VISIBLE_DEVICES"] for worker in workers] == [""] * 8
    assert "8 worker processes of 1 thread each on 8 cores, 2 engine processes of 1 thread each on GPU 2, 3" in plan.summary(
        config, workers, engines, cores=8
    )


def test_one_worker_a_gpu_without_engine_processes() -> None:
    config = settings(**GPU, gpu="7")
    workers = plan.environments(config, {"CUDA_VISIBLE_DEVICES": "2,3"}, cores=8, memory=None)
    assert [worker["CUDA_VISIBLE_DEVICES"] for worker in workers] == ["2", "3"]
    assert plan.engine_environments(config, {}, cores=8) == []


def test_an_engine_process_on_the_cpu_only_if_asked_for() -> None:
    assert plan.engine_environments(settings(), {}, cores=4) == []
    config = settings(engine_process=True)
    assert len(plan.engine_environments(config, {}, cores=4)) == 1
    assert len(plan.environments(config, {}, cores=4, memory=None)) == 4


def test_batching_is_configured_in_the_file_or_the_environment() -> None:
    args = parse("-m", "ocr_system")
    environ = {"OCR_SERVING_ENGINE_PROCESS": "true", "OCR_SERVING_MAX_BATCH": "16", "OCR_SERVING_MAX_DELAY_MS": "2.5"}
    config = plan.configuration(args, environ)
    assert (config.engine_process, config.max_batch, config.max_delay_ms) == (True, 16, 2.5)
    for key, value in (("MAX_BATCH", "0"), ("MAX_DELAY_MS", "-1"), ("ENGINE_PROCESS", "perhaps")):
        with pytest.raises(ConfigError, match=key.lower()):
            plan.configuration(args, {f"OCR_SERVING_{key}": value})


@pytest.mark.parametrize("environ", [{}, {"CUDA_VISIBLE_DEVICES": ""}, {"CUDA_VISIBLE_DEVICES": "-1"}])
def test_a_gpu_asked_for_and_not_chosen_is_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="CUDA_VISIBLE_DEVICES"):
        plan.engine_environments(settings(**GPU, engine_process=True), environ, cores=8)


def test_the_summary_says_what_is_started() -> None:
    config = settings(host="127.0.0.1", port=8868)
    workers = plan.environments(config, {}, cores=1, memory=None)
    assert plan.summary(config, workers, cores=1) == "ocr_system on http://127.0.0.1:8868: 1 worker process of 1 thread on 1 core"
    config = settings(modules_info={"ocr_system": {"init_args": {"cpu_threads": 2}}})
    workers = plan.environments(config, {}, cores=6, memory=None)
    assert plan.summary(config, workers, cores=6).endswith(": 3 worker processes of 2 threads each on 6 cores")


def test_workers_of_the_environment_count_as_an_option_would(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(OLD_FILE | {"modules_info": {"ocr_system": {}}}))
    for environ, expected in (
        ({}, 8),
        ({"OCR_SERVING_WORKERS": "3"}, 3),
        ({"OCR_SERVING_WORKERS": "3", "OCR_SERVING_USE_MULTIPROCESS": "false"}, 8),
    ):
        config = plan.configuration(parse("-c", str(file)), environ)
        assert len(plan.environments(config, environ, cores=8, memory=None)) == expected


def test_names_of_hosts_may_stand_in_one_variable() -> None:
    config = plan.configuration(parse("-m", "ocr_det"), {"OCR_SERVING_ALLOWED_HOSTS": "a.example, b.example"})
    assert config.allowed_hosts == ("a.example", "b.example")


def test_the_memory_of_the_machine_is_shared_out_whole_and_never_twice() -> None:
    machine = 24 << 30
    config = settings()
    for workers, page_mb in ((4, 1024), (16, 731)):
        share = plan.worker_memory(config, machine, workers)
        assert share is not None
        decoding = plan.worker_config(config, machine, workers).page_memory_mb
        assert decoding == page_mb
        assert machine - (256 << 20) < workers * (share + (decoding << 20) + 150_000_000) + 2 * config.held_bytes(machine) < machine
    assert plan.worker_config(config, 1 << 30, 8).page_memory_mb == 64
    assert plan.worker_memory(config, None, 4) is None
    assert plan.worker_memory(settings(worker_memory_mb=0), machine, 4) is None
    assert plan.worker_memory(settings(worker_memory_mb=700), machine, 4) == 700 << 20
    assert plan.worker_memory(settings(**GPU), machine, 1) is None


def test_a_planned_worker_has_room_for_the_largest_page_beside_its_decoding_process() -> None:
    """PP-OCRv6 small takes 3,785 MiB for a page of 50 million pixels with a det_limit_side_len of 16384."""
    for memory in (7 << 30, 13 << 30, 64 << 30):
        workers = len(plan.environments(settings(), {}, cores=4, memory=memory))
        share = plan.worker_memory(settings(), memory, workers)
        assert share is not None
        assert share > 3785 << 20
    assert plan.LARGEST_MAP == detection.MAX_SIDE**2


def test_what_bodies_may_take_together_follows_the_machine_and_holds_one_at_least() -> None:
    assert settings().held_bytes(None) == settings().held_bytes(64 << 30) == 512 << 20
    assert settings().held_bytes(2 << 30) == 256 << 20
    assert settings().held_bytes(1 << 29) == 128 << 20
    assert settings(max_held_mb=100).held_bytes(None) == 100 << 20
    assert settings(max_held_mb=1).held_bytes(None) == 64 << 20
