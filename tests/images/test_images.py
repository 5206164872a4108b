"""The recipes of the images, as far as they can be judged without building one; that they run is shown on a cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from ocr_serving import __version__
from ocr_serving.modules import loader

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "images"
DOCKERFILES = sorted(IMAGES.glob("*/Dockerfile"))
PIN = re.compile(r"([a-z0-9-]+)==[0-9][\w.]*")


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Instruction and argument of each step, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    steps = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(word, " ".join(argument.split())) for word, argument in steps]


def last(dockerfile: Path) -> dict[str, str]:
    """Instruction → its last argument, which is the one that counts."""
    return dict(instructions(dockerfile))


def pins(file: str) -> dict[str, str]:
    """Package → version of a requirements file, with those of the files it includes."""
    found: dict[str, str] = {}
    for line in (IMAGES / "requirements" / file).read_text().splitlines():
        if line.startswith("-r "):
            found |= pins(line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            assert PIN.fullmatch(line), f"{file}: {line} is not pinned"
            name, _, version = line.partition("==")
            assert name not in found, f"{file}: {name} comes twice"
            found[name] = version
    return found


def build(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """images/build.sh with an environment of its own."""
    env: Mapping[str, str] = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        [IMAGES / "build.sh", *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=IMAGES, env=env
    )


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: str(file.parent.name))
def test_an_image_runs_without_a_shell_without_rights_and_says_what_it_is(dockerfile: Path) -> None:
    steps = last(dockerfile)
    assert steps["USER"] == "10001:10001"
    assert isinstance(json.loads(steps["CMD"]), list)
    label = " ".join(argument for word, argument in instructions(dockerfile) if word == "LABEL")
    wanted = ["title", "description", "version", "revision"]
    if dockerfile.parent.name != "module":  # which has the rest from its base
        assert isinstance(json.loads(steps["ENTRYPOINT"]), list)
        assert isinstance(json.loads(steps["HEALTHCHECK"].partition("CMD ")[2]), list)
        assert steps["STOPSIGNAL"] == "SIGTERM"
        wanted += ["licenses", "source"]
    assert all(f"org.opencontainers.image.{key}=" in label for key in wanted)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: str(file.parent.name))
def test_what_an_image_is_built_on_is_an_argument_with_a_fixed_tag(dockerfile: Path) -> None:
    steps = instructions(dockerfile)
    default = next(argument for word, argument in steps if word == "ARG").removeprefix("BASE=")
    assert re.fullmatch(r"\S+/\S+:\d\S*", default)
    stages = {argument.partition(" AS ")[2] for word, argument in steps if word == "FROM"}
    assert {argument.partition(" AS ")[0] for word, argument in steps if word == "FROM"} <= {"${BASE}", *stages}


def test_the_bake_file_has_every_module_at_its_port() -> None:
    ports = dict(re.findall(r"^ +(\w+) += (\d+)$", (IMAGES / "docker-bake.hcl").read_text(), re.MULTILINE))
    assert ports == {name: str(loader.find(name).settings["port"]) for name in loader.builtin_names()}


def test_every_package_is_pinned_to_the_version_that_is_tested() -> None:
    tested = dict(
        line.split("==") for line in (ROOT / "services/requirements.txt").read_text().splitlines() if not line.startswith("#")
    )
    assert tested.items() <= pins("cpu.txt").items()
    del tested["onnxruntime"]  # of which onnxruntime-gpu takes the place
    for flavor in ("gpu.txt", "gpu-paddle.txt"):
        assert tested.items() <= pins(flavor).items()
        assert "onnxruntime" not in pins(flavor)
    assert pins("build.txt").keys() == {"pip", "setuptools"}


def test_what_images_are_called() -> None:
    names = build("--names", FLAVOR="gpu", REGISTRY="registry.example.org", REPOSITORY="team/ocr", TAG="7").stdout.splitlines()
    wanted = {f"registry.example.org/team/ocr/{name.replace('_', '-')}:7-gpu" for name in loader.builtin_names()}
    assert set(names) == {*wanted, "registry.example.org/team/ocr/operator:7"}
    assert build("--names", "ocr_det", REGISTRY="").stdout == f"ocr-serving/ocr-det:{__version__}-cpu\n"


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["ocr_sytem"], {}, "there is no module 'ocr_sytem'"),
        (["ocr_det"], {"FLAVOR": "tpu"}, "there is no flavour 'tpu'"),
        (["ocr_det"], {"FLAVOR": "gpu-paddle"}, "needs EXTRA_INDEX"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(arguments: list[str], environment: dict[str, str], sentence: str) -> None:
    done = build(*arguments, **environment)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_builder_is_one_sentence(tmp_path: Path) -> None:
    for tool in ("bash", "sed", "git", "dirname", "basename", "env"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    done = build("ocr_det", PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "images/build.sh: no docker with a daemon that answers, no podman and no buildah is here: install one of them.\n"
    )
