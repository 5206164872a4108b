"""`ocr-serving start` and `stop` as typed: what one sees when it works and when it does not."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from helpers.services import ECHO, Service, free_port, is_ready, wait_until
from ocr_serving import data


def command(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `ocr-serving …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ocr_serving.cli", *words], capture_output=True, text=True, timeout=120, check=False, **options
    )


def healthy(env: Mapping[str, str]) -> tuple[int, str]:
    """Exit status and stderr of what a container's HEALTHCHECK runs."""
    done = subprocess.run(
        [sys.executable, "-m", "ocr_serving.healthy"], capture_output=True, text=True, timeout=60, check=False, env=env
    )
    return done.returncode, done.stderr


def module_with(tmp_path: Path, old: str, new: str) -> Path:
    """A copy of the echo module with one thing changed."""
    folder = tmp_path / "changed"
    shutil.copytree(ECHO, folder)
    text = (folder / "module.py").read_text()
    assert old in text
    (folder / "module.py").write_text(text.replace(old, new))
    return folder


@pytest.mark.curl
def test_start_try_and_stop(tmp_path: Path) -> None:
    port = free_port()
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    output = tmp_path / "output.txt"
    words = ["start", "-m", str(ECHO), "-p", str(port), "--host", "127.0.0.1", "--workers", "1", "--try"]
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "ocr_serving.cli", *words], stdout=sink, stderr=subprocess.DEVNULL, env=env
        )
    try:
        wait_until(lambda: "To call it yourself" in output.read_text(), "the demonstration")
        text = output.read_text()
        assert "1 worker process of 1 thread on" in text
        assert f"ready: http://127.0.0.1:{port}/predict/echo" in text
        assert '"height": 1754' in text
        assert healthy(env) == (0, "")
        call = next(line for line in text.splitlines() if "curl" in line)
        pasted = subprocess.run(["sh", "-c", call], capture_output=True, text=True, timeout=60, check=True)
        assert '"height":1754' in pasted.stdout
        stopped = command("stop", "-p", str(port), env=env)
        assert (stopped.returncode, stopped.stdout.splitlines()[-1]) == (0, "ocr-serving: stopped")
        assert process.wait(timeout=10) == 0
        code, said = healthy(env)
        assert (code, said.startswith("No service runs here")) == (1, True)
        (tmp_path / f"ocr-serving/{port}.pid").write_text("1")  # as one that was killed leaves it
        code, said = healthy(env)
        assert (code, said.startswith(f"The service on port {port} is not ready: ")) == (1, True)
    finally:
        process.kill()
        process.wait()
    again = command("stop", "-p", str(port), env=env)
    assert (again.returncode, "No service" in again.stderr) == (1, True)


def test_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    port = free_port()
    words = ["start", "-m", str(ECHO), "-p", str(port), "--host", "127.0.0.1", "--workers", "1"]
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "ocr_serving.cli", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        try:
            wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), "the service to be ready")
            # The terminal signals every process of the group, and gunicorn's master passes it on as SIGQUIT: many of these, so
            # that one arrives while another is being handled.
            front = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
            os.killpg(process.pid, signal.SIGINT)
            for _ in range(20_000):
                os.kill(front, signal.SIGQUIT)
            process.wait(timeout=30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        assert "Traceback" not in process.stderr.read().decode()


def test_a_port_in_use_is_said_before_anything_loads(echo: Service) -> None:
    done = command("start", "-m", str(ECHO), "-p", str(echo.port), "--host", "127.0.0.1")
    assert done.returncode == 1
    assert "cannot be listened on (Address already in use)" in done.stderr
    assert is_ready(echo.url)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('raise RuntimeError("refused as asked")', "syntax error here", "does not import: SyntaxError"),
        ("import os\n", "import nosuchlibrary\n", "does not import: ModuleNotFoundError: No module named 'nosuchlibrary'"),
        ("if refuse:", "if True:", "Loading failed: RuntimeError: refused as asked"),
        ('@moduleinfo(name="echo", summary="Sizes of pictures")\n', "", "exactly one class with @moduleinfo"),
        ("use_gpu: bool = False", "needed: int", "missing 1 required positional argument: 'needed'"),
    ],
)
def test_a_module_that_cannot_load_ends_the_start_with_one_sentence(tmp_path: Path, old: str, new: str, says: str) -> None:
    folder = module_with(tmp_path, old, new)
    done = command("start", "-m", str(folder), "-p", str(free_port()), "--host", "127.0.0.1", "--workers", "2")
    assert done.returncode != 0
    sentences = {line for line in done.stderr.splitlines() if line.startswith("ocr-serving: ")}
    assert len(sentences) == 1
    assert says in sentences.pop()


def test_a_gpu_that_is_not_there_is_an_error_not_a_cpu(tmp_path: Path) -> None:
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "0"}
    done = command("start", "-m", "ocr_det", "--use_gpu", "-p", str(free_port()), "--host", "127.0.0.1", env=env)
    assert done.returncode != 0
    assert re.search(r"^ocr-serving: .*(GPU|CUDA)", done.stderr, re.MULTILINE)
    assert "ready:" not in done.stdout


def test_two_modules_of_one_name_are_refused(tmp_path: Path) -> None:
    other = module_with(tmp_path, "Sizes of pictures", "The same name")
    done = command("start", "-m", str(ECHO), str(other), "-p", str(free_port()), "--host", "127.0.0.1", "--workers", "1")
    assert done.returncode != 0
    assert "Two modules are called 'echo'" in done.stderr


def test_a_module_runs_once_as_a_script() -> None:
    done = subprocess.run(
        [sys.executable, str(ECHO / "module.py"), str(data.WARMUP)], capture_output=True, text=True, timeout=60, check=True
    )
    assert '"height": 90' in done.stdout


def test_modules_lists_ports() -> None:
    done = command("modules")
    assert done.returncode == 0
    assert re.search(r"ocr_system +8868 +1\.0\.0", done.stdout)
