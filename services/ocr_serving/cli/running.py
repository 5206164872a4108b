"""The services of this user that run on this machine."""

from __future__ import annotations

from ocr_serving.errors import ConfigError
from ocr_serving.healthy import run_dir
from ocr_serving.server.pidfile import service_in


def services() -> dict[int, int]:
    """Port → process id of each, by port."""
    found = {int(file.stem): service_in(file) for file in run_dir().glob("*.pid") if file.stem.isdigit()}
    return {port: pid for port, pid in sorted(found.items()) if pid is not None}


def chosen(port: int | None) -> tuple[int, int]:
    """Port and process id of the service on `port`, or of the only one that runs. Raises ConfigError."""
    found = services()
    if port is not None and port in found:
        return port, found[port]
    others = f"; yours run on {listed(found)}" if found else ""
    if port is not None:
        raise ConfigError(f"No service that you started runs on port {port} of this machine{others}.")
    if not found:
        raise ConfigError("No service that you started runs on this machine.")
    if len(found) > 1:
        raise ConfigError(f"Several services run, on {listed(found)}: say which with -p PORT.")
    return next(iter(found.items()))


def listed(found: dict[int, int]) -> str:
    """The ports, as in "port 8866" or "ports 8866, 8868"."""
    return f"port{'s' * (len(found) != 1)} {', '.join(map(str, found))}"
