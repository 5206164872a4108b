"""Which manifests the API server may refuse though the OCRService was parsed: pure.

What cannot be refused is applied without a dry run before it, which costs the API server as much as the apply itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

LARGEST_CONFIG = 900_000
"""Characters of a ConfigMap beyond which the API server may refuse it, which takes 1 MiB in all."""


def can_be_refused(manifest: Mapping[str, Any]) -> bool:
    """Whether `manifest` has parts of the user's that parse() does not know all rules of."""
    if manifest["kind"] == "Service":
        return len(manifest["metadata"]["annotations"]) > 1
    if manifest["kind"] == "ConfigMap":
        return sum(map(len, manifest["data"].values())) > LARGEST_CONFIG
    if manifest["kind"] == "NetworkPolicy":
        return any(not _is_plain(rule) for way in ("ingress", "egress") for rule in manifest["spec"].get(way) or ())
    return True


def _is_plain(rule: Mapping[str, Any]) -> bool:
    """Whether a rule of a NetworkPolicy has ports and addresses alone, and they are right: as those have that no user wrote."""
    try:
        for peer in rule.get("to") or ():
            ipaddress.ip_network(peer["ipBlock"]["cidr"])
            if len(peer) > 1 or len(peer["ipBlock"]) > 1:
                return False
    except (KeyError, TypeError, ValueError):
        return False
    return set(rule) <= {"to", "ports"} and all(_is_right(port) for port in rule.get("ports") or ())


def _is_right(port: Mapping[str, Any]) -> bool:
    return set(port) == {"port", "protocol"} and port["port"] in range(1, 65536) and port["protocol"] in ("TCP", "UDP")
