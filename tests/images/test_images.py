"""The recipes of the images, as far as they can be judged without building one; that they run is shown on a cluster."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ocr_serving import __version__, models
from ocr_serving.modules import loader

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "images"
DOCKERFILES = sorted(IMAGES.glob("*/Dockerfile"))


def script(name: str) -> ModuleType:
    """A script of images/, which are no package."""
    spec = importlib.util.spec_from_file_location(f"images_{name}", IMAGES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lock, sbom = script("lock"), script("sbom")
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


@pytest.mark.parametrize("file", ["build.txt", "cpu.txt", "gpu.txt", "operator.txt"])
def test_every_wheel_that_an_image_installs_is_known_by_its_hash(file: str) -> None:
    text = (IMAGES / "locked" / file).read_text()
    known = {(name, version): digests for name, version, digests in sbom.locked(text)}
    wanted = lock.pins(lock.FILES[file])
    assert dict(known) == {pin: known[pin] for pin in wanted.items()}, "run `make lock`"
    assert all(known.values())
    assert "://" not in text


def test_what_is_locked_is_a_file_for_pip(tmp_path: Path) -> None:
    text = lock.locked({"b": "2", "a": "1.0"}, {"a": {"1" * 64}, "b": {"3" * 64, "2" * 64}})
    assert list(sbom.locked(text)) == [("a", "1.0", ["1" * 64]), ("b", "2", ["2" * 64, "3" * 64])]
    file = tmp_path / "locked.txt"
    file.write_text(text)
    command = [sys.executable, "-m", "pip", "install", "--require-hashes", "--no-index", "--dry-run", "-r", str(file)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert "No matching distribution found for a==1.0" in refused


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda file: str(file.parent.name))
def test_packages_are_installed_by_their_hashes_and_from_one_index(dockerfile: Path) -> None:
    text = " ".join(argument for word, argument in instructions(dockerfile) if word in ("RUN", "ENV", "ARG"))
    installed = re.findall(r"pip install ([^;&]*?) -r", text)
    assert all("--require-hashes" in options for options in installed)
    assert installed or dockerfile.parent.name == "module"
    assert "EXTRA_INDEX_URL" not in text
    assert "--extra-index-url" not in text


def test_a_bill_of_materials_names_packages_weights_and_their_licences() -> None:
    bills = sbom.bills()
    assert set(bills) == {"operator.cdx.json"} | {
        f"{name.replace('_', '-')}-{flavor}.cdx.json" for name in loader.builtin_names() for flavor in ("cpu", "gpu")
    }
    for text in bills.values():
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parts = {part["name"]: part for part in json.loads(bills["ocr-system-cpu.cdx.json"])["components"]}
    assert parts["flask"]["purl"] == f"pkg:pypi/flask@{pins('cpu.txt')['flask']}"
    assert parts["flask"]["licenses"][0]["license"]["id"] == "BSD-3-Clause"
    assert "ocr-serving" in parts
    file = models.catalogue()["PP-OCRv6_small_rec"].files[0]
    assert parts[f"PP-OCRv6_small_rec/{file.name}"]["hashes"] == [{"alg": "SHA-256", "content": file.sha256}]
    assert {"kopf", "ocr-serving-operator"} <= {part["name"] for part in json.loads(bills["operator.cdx.json"])["components"]}


def test_what_images_are_called() -> None:
    names = build("--names", FLAVOR="gpu", REGISTRY="registry.example.org", REPOSITORY="team/ocr", TAG="7").stdout.splitlines()
    wanted = {f"registry.example.org/team/ocr/{name.replace('_', '-')}:7-gpu" for name in loader.builtin_names()}
    assert set(names) == {*wanted, "registry.example.org/team/ocr/operator:7"}
    assert build("--names", "ocr_det", REGISTRY="").stdout == f"ocr-serving/ocr-det:{__version__}-cpu\n"


def test_the_compose_file_serves_images_that_are_built_at_the_ports_of_their_modules() -> None:
    services = yaml.safe_load((ROOT / "manifests/compose.yaml").read_text())["services"]
    built = {flavor: build("--names", FLAVOR=flavor).stdout.splitlines() for flavor in ("cpu", "gpu")}
    for service in services.values():
        (flavor,) = service["profiles"]
        image = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", service["image"])
        assert image in [f"docker.io/{name}" if name.startswith("ocr-serving/") else name for name in built[flavor]]
        module = re.split(r"[/:]", image)[2].replace("-", "_")
        port = loader.find(module).settings["port"]
        assert service["ports"] == [f"${{HOST:-127.0.0.1}}:{port}:{port}"]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert ("deploy" in service) == (flavor == "gpu")
    assert len(services) == 6


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["ocr_sytem"], {}, "there is no module 'ocr_sytem'"),
        (["ocr_det"], {"FLAVOR": "tpu"}, "there is no flavour 'tpu'"),
        (["ocr_det"], {"FLAVOR": "gpu-paddle"}, "needs EXTRA_INDEX"),
        (["ocr_det"], {"BY_DIGEST": "1"}, "name it by its digest"),
        (["ocr_det", "operator"], {"BY_DIGEST": "1", "BASE": "a/b@sha256:" + "0" * 64}, "PYTHON_BASE is"),
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
