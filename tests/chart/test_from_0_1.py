"""The definition of 0.1 becomes this one, and that one again, under OCRServices that were made with it (v0_1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from charts.generate import ROOT

from helpers.control_plane import ControlPlane
from ocr_operator.api.spec import parse

V0_1 = Path(__file__).parent / "v0_1"
CRD = "ocrservices.ocr-serving.dev"
NAMESPACE = "from-0-1"


def specs(plane: ControlPlane) -> dict[str, Any]:
    return {item["metadata"]["name"]: item["spec"] for item in plane.items("ocr", NAMESPACE)}


def test_services_of_0_1_are_kept_and_understood_and_so_they_are_on_the_way_back(cluster: ControlPlane) -> None:
    cluster.kubectl("delete", "crd", CRD, "--ignore-not-found")
    cluster.kubectl("apply", "--server-side", "-f", V0_1 / "crd.yaml")
    cluster.wait_for_crds(CRD)
    cluster.kubectl("create", "namespace", NAMESPACE, check=False)
    cluster.kubectl("apply", "-n", NAMESPACE, "-f", V0_1 / "samples.yaml")
    before = specs(cluster)
    assert len(before) == 7

    cluster.kubectl("apply", "--server-side", "-f", ROOT / "manifests" / "crd.yaml")
    cluster.wait_for_crds(CRD)
    assert specs(cluster) == before
    for body in cluster.items("ocr", NAMESPACE):
        assert parse(body).modules
    # What 0.1 did not know is taken now, and is no more once it is back.
    new = '{"spec": {"adopt": true}}'
    cluster.kubectl("patch", "ocr", "invoices", "-n", NAMESPACE, "--type=merge", "-p", new)
    cluster.wait_for(lambda: specs(cluster)["invoices"].get("adopt"), "the new field to be kept")

    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", V0_1 / "crd.yaml")
    cluster.wait_for(lambda: specs(cluster) == before, "the field that 0.1 lacks to be left out")
    cluster.kubectl("delete", "crd", CRD)
