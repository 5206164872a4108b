"""What a release is made of, and the workflows that make it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from helpers import go_tools
from ocr_operator.api.crd import crd
from ocr_operator.api.spec import parse
from ocr_serving import __version__
from ocr_serving.modules import loader

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".github/release.py"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))


def script() -> ModuleType:
    """The script as a module; .github is no package."""
    spec = importlib.util.spec_from_file_location("release_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


release = script()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The script with these arguments, publishing nothing."""
    command = [sys.executable, str(SCRIPT), "--dry-run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.api_server
def test_a_dry_run_makes_all_that_is_published(tmp_path: Path) -> None:
    done = run("--out", str(tmp_path / "dist"), "--tag", f"v{__version__}")
    assert done.returncode == 0, done.stderr
    assert "nothing was published" in done.stdout
    out = tmp_path / "dist"
    for name in ("ocr_serving", "ocr_serving_operator"):
        assert (out / f"{name}-{__version__}.tar.gz").is_file()
        wheel = zipfile.ZipFile(out / f"{name}-{__version__}-py3-none-any.whl")
        licences = {Path(member).name for member in wheel.namelist() if "/licenses/" in member}
        assert licences == {"LICENSE", "NOTICE"}
    modules = {
        member.split("/")[2]
        for member in zipfile.ZipFile(out / f"ocr_serving-{__version__}-py3-none-any.whl").namelist()
        if re.fullmatch(r"ocr_serving/modules/\w+/config\.json", member)
    }
    assert modules == set(loader.builtin_names())
    with tarfile.open(out / f"ocr-serving-{__version__}.tgz") as chart:
        assert "ocr-serving/files/crd.yaml" in chart.getnames()
    images = (out / "images.txt").read_text().splitlines()
    assert len(images) == 2 * len(loader.builtin_names()) + 1
    assert len(list((out / "sbom").iterdir())) == len(images)
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=out, capture_output=True, text=True, check=True
    )
    assert checked.stdout.count(": OK") == len([path for path in out.rglob("*") if path.is_file()]) - 1


@pytest.mark.api_server
def test_a_signed_chart_is_verified_and_one_that_was_changed_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, ring = tmp_path / "gpg", tmp_path / "keyring"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-generate-key", "release", "rsa2048", "sign"], check=True, capture_output=True)
    ring.write_bytes(subprocess.run([*gpg, "--export-secret-keys"], check=True, capture_output=True).stdout)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    monkeypatch.setenv("SIGN_KEY", "release")
    with pytest.raises(release.ReleaseError, match="SIGN_KEYRING"):
        release.chart(tmp_path)
    monkeypatch.setenv("SIGN_KEYRING", str(ring))
    archive = release.chart(tmp_path)

    def verified() -> subprocess.CompletedProcess[str]:
        command = [release.helm(), "verify", "--keyring", ring, archive]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert "Signed by: release" in verified().stdout
    archive.write_bytes(archive.read_bytes() + b"x")
    assert verified().returncode != 0


def test_what_the_chart_says_to_a_catalogue_is_the_definition_and_a_service_that_is_read() -> None:
    annotations = yaml.safe_load((ROOT / "charts/ocr-serving/Chart.yaml").read_text())["annotations"]
    (told,) = yaml.safe_load(annotations["artifacthub.io/crds"])
    spec = crd()["spec"]
    assert (told["name"], told["kind"]) == (crd()["metadata"]["name"], spec["names"]["kind"])
    assert told["version"] in [version["name"] for version in spec["versions"]]
    for example in yaml.safe_load(annotations["artifacthub.io/crdsExamples"]):
        parse(example)


def test_a_tag_of_another_version_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    done = run("--out", str(tmp_path / "dist"), "--tag", "v9.9.9")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"release: the tag is v9.9.9, but the version is {__version__}: tag v{__version__}, or correct the version.\n"
    )
    assert not (tmp_path / "dist").exists()


def test_versions_that_differ_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = release.versions()
    assert len(stated) >= 4
    monkeypatch.setattr(release, "versions", lambda: stated | {"charts/ocr-serving/Chart.yaml, version": "0.0.9"})
    with pytest.raises(release.ReleaseError, match=r"the versions differ: .*Chart\.yaml, version says 0\.0\.9"):
        release.one_version(None)


def test_what_the_packages_hold_is_what_git_knows() -> None:
    files = release.tracked(ROOT / "services")
    assert {"ocr_serving/py.typed", "ocr_serving/models/catalogue.toml", "ocr_serving/modules/ocr_det/config.json"} <= files


@pytest.mark.api_server
def test_the_workflows_are_what_github_takes() -> None:
    assert len(WORKFLOWS) == 2
    lint = go_tools.built("github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12")
    done = subprocess.run([lint, "-no-color", *WORKFLOWS], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: str(path.stem))
def test_a_workflow_uses_what_is_fixed_has_few_rights_and_calls_targets_that_are_there(workflow: Path) -> None:
    text = workflow.read_text()
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r"  # v\d+\.\d+\.\d+", comment)
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][\w-]*)", re.sub(r"#.*", "", text))) - {"python3"} <= targets
