"""Applies the OCRService that stands in each ConfigMap named on the command line, with that ConfigMap as its owner.

Arguments: the namespace, then the ConfigMaps. Exit code 2: the API server refuses a spec, and would again.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from kubernetes import client, config, dynamic
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import NotFoundError, ResourceNotFoundError
from urllib3.exceptions import HTTPError

FIELD_MANAGER = "ocr-serving-chart"
PATIENCE_S = 120.0  # for a definition that is not established yet, for roles that are not in force yet, for a restarting API server
DEADLINE = time.monotonic() + PATIENCE_S


APPLY = "application/apply-patch+yaml; charset=utf-8"
CONTROL = re.compile("[\\x7f-\\x9f\\u2028\\u2029\\ufeff\\ufffe\\uffff]")


def as_yaml(body: Any) -> bytes:
    """`body` as UTF-8 that is JSON and YAML at once: the API server reads YAML, in which two escapes make no character."""
    text = json.dumps(body, ensure_ascii=False)
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode(errors="replace")


class ForeignError(Exception):
    """Somebody else made an OCRService of that name."""


def patiently(call: Callable[[], Any]) -> Any:
    """What `call` returns; it is tried again while the reason why it fails is one that passes."""
    while True:
        try:
            return call()
        except (ResourceNotFoundError, HTTPError) as exc:
            failure: Exception = exc
        except ApiException as exc:
            if exc.status not in (403, 404, 409, 429) and exc.status < 500:
                raise
            failure = exc
        if time.monotonic() > DEADLINE:
            raise failure
        time.sleep(1)


def apply(namespace: str, config_map: str) -> str:
    """The name of the OCRService of `config_map`, in the cluster then. Raises ApiException or ForeignError where it cannot be."""
    owner = patiently(lambda: client.CoreV1Api().read_namespaced_config_map(config_map, namespace))
    body = json.loads(owner.data["ocrservice.yaml"])
    name = str(body["metadata"]["name"])
    body["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "ConfigMap", "name": config_map, "uid": owner.metadata.uid}]

    def send() -> None:
        api = dynamic.DynamicClient(client.ApiClient())
        kind = api.resources.get(api_version=body["apiVersion"], kind=body["kind"])
        try:
            there = kind.get(name=name, namespace=namespace).to_dict()
        except NotFoundError:
            pass
        else:
            if config_map not in [reference["name"] for reference in there["metadata"].get("ownerReferences", [])]:
                raise ForeignError(
                    f"the OCRService {name} in namespace {namespace} was not made by this release: delete it, or take {name} out of"
                    " services."
                )
        path = kind.path(name=name, namespace=namespace)
        options = {"field_manager": FIELD_MANAGER, "force_conflicts": True, "content_type": APPLY}
        api.request("patch", path, body=as_yaml(body), **options)

    patiently(send)
    return name


def reason(exc: Exception) -> str:
    """The sentence of an answer of the API server, or of what kept it from answering."""
    if isinstance(exc, ApiException) and exc.body:
        try:
            return str(json.loads(exc.body)["message"])
        except (ValueError, KeyError):
            return str(exc.reason)
    if isinstance(exc, ResourceNotFoundError):
        return "this cluster does not know OCRService: set crds.enabled to true, or apply manifests/crd.yaml first."
    return str(exc)


def main(namespace: str, config_maps: list[str]) -> int:
    """Apply every one, and tell each that fails."""
    if "KUBECONFIG" in os.environ:
        config.load_kube_config()
    else:
        config.load_incluster_config()
    code = 0
    for config_map in config_maps:
        try:
            print(f"applied OCRService {apply(namespace, config_map)}", flush=True)
        except (ApiException, ForeignError, ResourceNotFoundError, HTTPError) as exc:
            print(f"{config_map}: {reason(exc)}", flush=True)
            refused = isinstance(exc, ForeignError) or (isinstance(exc, ApiException) and 400 <= exc.status < 500)
            code = max(code, 2 if refused else 1)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
