"""`ocr-operator render|crd|run` as a person uses it."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ocr_operator import __version__, cli
from ocr_operator.api.crd import crd
from ocr_operator.loop.options import RunOptions

SAMPLES = Path(__file__).parents[2] / "manifests/samples"
GOOD = """
apiVersion: ocr-serving.dev/v1alpha1
kind: OCRService
metadata: {name: %s}
spec: {modules: [{name: ocr_det, device: cpu}]}
"""


def test_render_prints_what_kubectl_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        cli.main(
            ["render", "-f", str(SAMPLES / "invoices.yaml"), "--namespace", "docs", "--image-registry", "r", "--image-tag", "9"]
        )
        == 0
    )
    manifests = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [item["kind"] for item in manifests] == ["ConfigMap", "Deployment", "Service", "NetworkPolicy"] * 2
    assert {item["metadata"]["namespace"] for item in manifests} == {"docs"}
    assert manifests[1]["spec"]["template"]["spec"]["containers"][0]["image"] == "r/ocr-serving/ocr-system:9-cpu"


def test_render_reads_stdin_lists_and_several_documents(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    items = "".join("- " + "\n  ".join((GOOD % name).strip().splitlines()) + "\n" for name in ("b", "c"))
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{GOOD % 'a'}\n---\n---\napiVersion: v1\nkind: List\nitems:\n{items}"))
    assert cli.main(["render", "-f", "-"]) == 0
    names = [item["metadata"]["name"] for item in yaml.safe_load_all(capsys.readouterr().out)]
    assert names == [f"{name}-ocr-det" for name in "abc" for _ in range(4)]


def test_render_takes_several_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file in files:
        file.write_text(GOOD % file.name)
    assert cli.main(["render", "-f", str(files[0]), str(files[1]), "-f", str(files[2])]) == 0
    names = [body["metadata"]["name"] for body in yaml.safe_load_all(capsys.readouterr().out)]
    assert list(dict.fromkeys(names)) == ["a-ocr-det", "b-ocr-det", "c-ocr-det"]


def test_dates_and_numbers_as_keys_are_text_as_in_kubernetes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cr.yaml"
    file.write_text((GOOD % "a").replace("device: cpu", "params: {since: 2026-01-02, labels: {1: one}}"))
    assert cli.main(["render", "-f", str(file)]) == 0
    assert '"since": "2026-01-02"' in capsys.readouterr().out.replace('\\"', '"')


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot be read: No such file or directory."),
        ("a: [", "is not YAML"),
        ("", "holds no OCRService."),
        ("- 1", "must hold OCRService objects"),
        ("just text", "must hold OCRService objects, not 'just text'."),
        ("kind: Pod", "this is no OCRService: it needs apiVersion: ocr-serving.dev/v1alpha1 and kind: OCRService."),
        (GOOD % "1a", "metadata.name becomes part of host names"),
        (
            (GOOD % "a").replace("device: cpu", "devices: cpu"),
            "spec.modules[0].devices: there is no such field: did you mean device?",
        ),
    ],
)
def test_render_refuses_in_one_sentence(
    text: str | None, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cr.yaml"
    if text is not None:
        file.write_text(text)
    assert cli.main(["render", "-f", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert err.startswith("ocr-operator: ")
    assert err.count("\n") == 1


def test_crd_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["crd"]) == 0
    out = capsys.readouterr().out
    assert yaml.safe_load(out) == crd()
    assert "&id" not in out  # anchors, which people cannot read


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_sample_is_rendered(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["render", "-f", str(path), "--allow-registries=registry.example.org"]) == 0
    assert "kind: Deployment" in capsys.readouterr().out


def test_render_refuses_what_the_operator_would(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cr.yaml"
    file.write_text((GOOD % "a").replace("device: cpu", "device: cpu, serviceAccountName: admin"))
    assert cli.main(["render", "-f", str(file)]) == 1
    assert "the service account admin is not allowed here" in capsys.readouterr().err
    assert cli.main(["render", "-f", str(file), "--allow-service-accounts=adm*"]) == 0


def test_render_says_which_device_is_taken_where_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cr.yaml"
    file.write_text(GOOD % "a")
    assert cli.main(["render", "-f", str(file)]) == 0
    assert capsys.readouterr().err == ""
    file.write_text((GOOD % "a").replace(", device: cpu", ""))
    assert cli.main(["render", "-f", str(file)]) == 0
    said = f"ocr-operator: {file}, OCRService a: device is gpu, the default, for ocr_det: say gpu or cpu in spec.defaults.device.\n"
    assert capsys.readouterr().err == said


def test_the_command_itself() -> None:
    done = subprocess.run([sys.executable, "-m", "ocr_operator", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ocr-operator ")


def options(*flags: str, **environ: str) -> RunOptions:
    return cli.run_options(cli.parser().parse_args(["run", *flags]), environ, own_namespace=Path("/nowhere"))


def test_run_watches_its_own_namespace_by_default() -> None:
    found = options(POD_NAMESPACE="ops")
    assert (found.namespaces, found.all_namespaces, found.lease_namespace, found.leader_election) == (("ops",), False, "ops", True)
    assert (found.http_port, found.workers, found.resync_seconds, found.log_format) == (8080, 8, 300, "json")
    assert (found.images.registry, found.images.repository, found.images.tag) == ("docker.io", "ocr-serving", __version__)


def test_run_watches_what_it_is_told() -> None:
    assert options("--namespace", "a", "b", "--namespace", "a", POD_NAMESPACE="ops").namespaces == ("a", "b")
    everywhere = options("--all-namespaces", POD_NAMESPACE="ops")
    assert (everywhere.namespaces, everywhere.all_namespaces, everywhere.lease_namespace) == ((), True, "ops")
    assert options("--namespace", "a", "--no-leader-election").leader_election is False


@pytest.mark.parametrize(("flags", "sentence"), [((), "--all-namespaces"), (("--namespace", "a"), "--lease-namespace")])
def test_run_outside_a_pod_needs_to_be_told(flags: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(cli.UsageError, match=sentence):
        options(*flags)


@pytest.mark.parametrize(
    "flags", [("--workers", "0"), ("--http-port", "99999"), ("--resync-seconds", "0"), ("--namespace", "a", "--all-namespaces")]
)
def test_run_refuses_flags_that_make_no_sense(flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(*flags)
    assert flags[0] in capsys.readouterr().err


def _run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ocr_operator", "run", *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=60)


def test_run_says_that_its_port_is_taken(tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    user = {"name": "u", "user": {"token": "t"}}
    config.write_text(yaml.safe_dump({"current-context": "c", "clusters": [cluster], "contexts": [context], "users": [user]}))
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        done = _run(["--http-port", str(port)], KUBECONFIG=str(config), POD_NAMESPACE="default")
    assert done.returncode == 1
    assert f"ocr-operator: cannot listen on port {port}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_run_says_that_it_cannot_read_who_the_cluster_is_and_speaks_of_no_port(tmp_path: Path) -> None:
    done = _run(["--http-port", "0"], KUBECONFIG=str(tmp_path), POD_NAMESPACE="default")
    assert done.returncode == 1
    assert "ocr-operator: cannot use the cluster that KUBECONFIG or the service account names: " in done.stderr
    assert str(tmp_path) in done.stderr
    assert "port" not in done.stderr.replace(str(tmp_path), "")
    assert "Traceback" not in done.stderr


def command(*words: str, out: str = "cat", **environ: str) -> subprocess.CompletedProcess[str]:
    """`ocr-operator` in a shell, its output handed to `out`; the code is the command's own."""
    line = f'set -o pipefail; "$0" -m ocr_operator "$@" {out}'
    return subprocess.run(
        ["bash", "-c", line, sys.executable, *words],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | environ,
        timeout=60,
        check=False,
    )


def test_what_a_terminal_cannot_show_is_escaped_and_stays_what_it_was(tmp_path: Path) -> None:
    file = tmp_path / "grüße.yaml"
    file.write_text(GOOD.replace("device: cpu", 'podAnnotations: {a: "Grüße 漢字"}') % "a", encoding="utf-8")
    run = command("render", "-f", str(file), out="", PYTHONIOENCODING="ascii")
    assert run.returncode == 0, run.stderr
    assert run.stdout.isascii()
    deployment = list(yaml.safe_load_all(run.stdout))[1]
    assert deployment["spec"]["template"]["metadata"]["annotations"]["a"] == "Grüße 漢字"
    assert "gr\\xfc\\xdfe.yaml, OCRService a: device is gpu" in run.stderr


def test_output_that_nobody_takes_ends_in_no_traceback(tmp_path: Path) -> None:
    assert command("crd", out="| head -c 1").stderr == ""
    full = command("crd", out="> /dev/full")
    assert (full.returncode, full.stderr) == (1, "ocr-operator: what is printed cannot be written: No space left on device.\n")
    deep = tmp_path / "deep.yaml"
    deep.write_text("[" * 10_000)
    assert command("render", "-f", str(deep)).stderr.endswith("deep.yaml is nested too deeply for an OCRService.\n")
    half = tmp_path / "half.yaml"
    half.write_text(GOOD.replace("device: cpu", 'podAnnotations: {a: "\\ud800"}') % "a")
    run = command("render", "-f", str(half))
    assert run.returncode == 1
    assert run.stderr.endswith("half.yaml is not YAML: a text holds half of a surrogate pair, which is no character.\n")


def test_render_says_what_device_auto_came_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cr.yaml"
    file.write_text((GOOD % "a").replace("device: cpu", "device: auto"))
    assert cli.main(["render", "-f", str(file)]) == 0
    said = capsys.readouterr()
    assert "device auto is rendered as cpu for ocr_det, since no nodes are looked at: say --auto-device gpu or cpu." in said.err
    assert f"ocr-det:{__version__}-cpu" in said.out
    assert cli.main(["render", "-f", str(file), "--auto-device", "gpu"]) == 0
    said = capsys.readouterr()
    assert (said.err, f"ocr-det:{__version__}-gpu" in said.out) == ("", True)
