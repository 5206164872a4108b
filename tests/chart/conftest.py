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

from helpers.api_client import RULE_CRD, optional_crds
from helpers.control_plane import ControlPlane, binaries, control_plane

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
    """A control plane with ServiceMonitors, PodMonitors, HTTPRoutes and without OCRServices."""
    with control_plane(tmp_path_factory.mktemp("cluster")) as plane:
        for kind in (*optional_crds(), RULE_CRD):
            plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(kind))
            plane.kubectl("wait", "--for=condition=Established", f"crd/{kind['metadata']['name']}", "--timeout=60s")
        yield plane
