"""kube-score finds nothing in the chart, nor in what the operator makes, that is not answered."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from charts.generate import CHART, KUBE_VERSION, ROOT

from helpers import go_tools
from ocr_operator.api.reading import documents
from ocr_operator.api.spec import Settings, parse
from ocr_operator.desired.render import render as desired

Render = Callable[..., list[dict[str, Any]]]
ANSWERS = ROOT / "charts" / "kube-score.yaml"


def findings(objects: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The id of each check that is not passed, and a sentence with where and why."""
    score = go_tools.built("github.com/zegl/kube-score/cmd/kube-score", "v1.20.0")
    command = [str(score), "score", "-", "-o", "json", "--kubernetes-version", f"v{KUBE_VERSION.rpartition('.')[0]}"]
    text = yaml.safe_dump_all(objects)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("["), done.stderr
    scored = json.loads(done.stdout)
    assert scored
    for item in scored:
        for check in item["checks"]:
            if not check["skipped"] and check["grade"] < 10:
                said = "; ".join(f"{comment['path']}: {comment['summary']}" for comment in check["comments"] or ())
                yield check["check"]["id"], f"{item['object_name']}: {said}"


def samples() -> Iterator[dict[str, Any]]:
    for path in sorted((ROOT / "manifests" / "samples").glob("*.yaml")):
        for body in documents(path.read_text()):
            if body and body["kind"] == "OCRService":
                yield from desired(parse({**body, "metadata": {"namespace": "ocr", **body["metadata"]}}), Settings())


@pytest.mark.api_server
def test_every_finding_is_answered_and_every_answer_is_of_a_finding(render: Render) -> None:
    answers = yaml.safe_load(ANSWERS.read_text())
    objects = list(samples())
    for values in sorted((CHART / "ci").glob("*-values.yaml")):
        objects += [item for item in render(values) if item["kind"] != "CustomResourceDefinition"]
    found = list(findings(objects))
    assert [f"{check}: {said}" for check, said in found if check not in answers] == []
    assert set(answers) == {check for check, _ in found}
