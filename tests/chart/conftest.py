"""helm, and a control plane that has never seen the chart."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts.generate import CHART, KUBE_VERSION

from helpers.api_client import http_route_crd
from helpers.control_plane import ControlPlane, binaries, control_plane
from helpers.go_tools import module_folder

Objects = list[dict[str, Any]]
Render = Callable[..., Objects]


@pytest.fixture(scope="session")
def helm() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs helm with the arguments given; `check=False` to look at a failure."""
    program = binaries() / "helm"

    def run(*arguments: str | Path, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"helm {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def render(helm: Callable[..., subprocess.CompletedProcess[str]]) -> Render:
    """The objects of release `ocr` with the values of a file or of a mapping, in namespace `ocr` unless told otherwise."""

    def objects(values: Path | dict[str, Any], namespace: str = "ocr") -> Objects:
        text = values.read_text() if isinstance(values, Path) else json.dumps(values)
        options = ("--namespace", namespace, "--kube-version", KUBE_VERSION, "--values", "-")
        return [
            document for document in yaml.safe_load_all(helm("template", "ocr", CHART, *options, stdin=text).stdout) if document
        ]

    return objects


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the definitions of the Prometheus operator, KEDA and the Gateway API, and without OCRServices."""
    prometheus = module_folder("github.com/prometheus-operator/prometheus-operator", "v0.85.0")
    plurals = ("servicemonitors", "podmonitors", "prometheusrules")
    kinds = [prometheus / f"example/prometheus-operator-crd/monitoring.coreos.com_{plural}.yaml" for plural in plurals]
    kinds.append(module_folder("github.com/kedacore/keda/v2", "v2.21.0") / "config/crd/bases/keda.sh_scaledobjects.yaml")
    with control_plane(tmp_path_factory.mktemp("cluster")) as plane:
        for path in kinds:
            plane.kubectl("apply", "--server-side", "-f", path)
        plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(http_route_crd()))
        plane.wait_for_crds(*(item["metadata"]["name"] for item in plane.get("crd")["items"]))
        yield plane
