"""`status`, `stop` and `new` as typed, and commands whose output has nowhere to go or no letters for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.services import ECHO, free_port, serve
from ocr_serving import cli
from ocr_serving.config import ServiceConfig
from ocr_serving.modules import loader
from ocr_serving.server import plan

WORDS = [sys.executable, "-m", "ocr_serving.cli"]


def command(*words: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), **variables}
    return subprocess.run([*WORDS, *words], capture_output=True, text=True, timeout=180, check=False, env=env, cwd=folder)


def test_stop_ends_the_one_that_runs_and_status_lists_them(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    none = command("status", folder=tmp_path)
    assert (none.returncode, none.stdout) == (1, "ocr-serving: no service that you started runs on this machine\n")
    assert "No service that you started runs" in command("stop", folder=tmp_path).stderr
    same = {"XDG_RUNTIME_DIR": str(tmp_path)}

    def told(*words: str) -> subprocess.CompletedProcess[str]:
        return command(*words, folder=tmp_path)

    with serve(tmp_path, {str(ECHO): {}}, workers=1) as one:
        with serve(tmp_path / "other", {str(ECHO): {}}, workers=1, env=same) as other:
            ports = sorted((one.port, other.port))
            listed = told("status")
            assert listed.returncode == 0
            assert [line.split() for line in listed.stdout.splitlines()] == [
                [str(port), "process", str(next(s.process.pid for s in (one, other) if s.port == port)), "ready", "echo"]
                for port in ports
            ]
            assert f"on ports {ports[0]}, {ports[1]}: say which with -p PORT" in told("stop").stderr
            port = free_port()
            assert f"on port {port} of this machine; yours run on ports" in told("stop", "-p", str(port)).stderr
            assert told("stop", "-p", str(other.port)).returncode == 0
        assert told("stop").returncode == 0
        assert one.process.wait(30) == 0


def test_whoever_can_reach_it_without_a_key_is_said(tmp_path: Path) -> None:
    with serve(tmp_path, {str(ECHO): {}}, workers=1, host="0.0.0.0") as service:
        assert "reachable from the network, without a key (0.0.0.0)" in service.output.read_text()
    hosts = {"127.0.0.1": False, "::1": False, "localhost": False, "0.0.0.0": True, "::": True, "10.0.0.1": True, "ocr.lan": True}
    for host, is_open in hosts.items():
        assert plan.is_open(ServiceConfig(modules_info={"echo": {}}, host=host)) == is_open
    assert not plan.is_open(ServiceConfig(modules_info={"echo": {}}, host="0.0.0.0", api_keys_file="keys"))


def test_a_copy_of_a_module_has_its_own_name_and_port_and_is_served(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in loader.builtin_names():
        assert cli.main(["new", name]) == 0
        found = loader.find(str(elsewhere / f"my_{name}"))
        assert loader.load_class(found).info.name == f"my_{name}"
        original = loader.find(name)
        assert found.settings["port"] == original.settings["port"] + 200
        assert found.entry == original.entry
    capsys.readouterr()
    for words, says in (
        (["ocr_cls"], "is there already"),
        (["ocr_cls", "my-copy"], "cannot be the name of a module"),
        (["ocr_clss"], "no module 'ocr_clss' (did you mean 'ocr_cls'?)"),
    ):
        assert cli.main(["new", *words]) == 1
        assert says in capsys.readouterr().err
    assert cli.main(["new", str(ECHO), "mine", "-p", "9999"]) == 0
    assert "ocr-serving start -m ./mine" in capsys.readouterr().out
    assert json.loads((elsewhere / "mine" / "config.json").read_text())["port"] == 9999
    with serve(elsewhere, {str(elsewhere / "mine"): {}}, workers=1) as service:
        assert service.post("mine", {"images": []}).status_code == 400


@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_letters_that_cannot_be_printed_are_escaped(tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "bücher").mkdir()
    told = command("start", "-m", "./bücher", folder=tmp_path, **variables)
    assert told.returncode == 1
    assert "cher is not a module" in told.stderr
    assert "Traceback" not in told.stderr
    told = command("models", "list", folder=tmp_path, **variables)
    assert told.returncode == 0
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("words", [["models", "list"], ["modules"]])
def test_output_that_has_nowhere_to_go_is_no_traceback(tmp_path: Path, words: list[str]) -> None:
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    read, write = os.pipe()
    os.close(read)
    told = subprocess.run([*WORDS, *words], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=env)
    os.close(write)
    assert (told.returncode, told.stderr) == (141, "")
    with Path("/dev/full").open("wb") as full:
        told = subprocess.run([*WORDS, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=env)
    assert (told.returncode, told.stderr) == (1, "ocr-serving: what is printed cannot be written: No space left on device.\n")


def test_a_folder_of_the_old_kind_says_what_to_change(tmp_path: Path) -> None:
    old = tmp_path / "hubserving" / "ocr_system"
    old.mkdir(parents=True)
    (old / "module.py").write_text(
        "import paddlehub as hub\nfrom paddlehub.module.module import moduleinfo, serving\n\n\n"
        '@moduleinfo(name="ocr_system", version="1.0.0", summary="x")\nclass OCRSystem(hub.Module):\n    pass\n'
    )
    told = command("start", "-m", str(old), folder=tmp_path)
    assert "is written for PaddleHub: change these lines" in told.stderr
    assert "module.py, line 1" in told.stderr
    told = command("start", "-m", "./hubserving", folder=tmp_path)
    assert "is no module but holds some (ocr_system): name one, as in ./hubserving/ocr_system" in told.stderr
