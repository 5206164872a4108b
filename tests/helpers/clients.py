"""Unmodified clients of PaddleOCR 3, each in an environment of its own, as fixtures of the session."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from helpers import environments

RUN_S = 120
"""Seconds that a client may take at the most: its imports alone are some on a busy machine."""


@dataclass(frozen=True)
class PythonClients:
    """The environment with the SDK, the CLI, langchain-paddleocr and the MCP server."""

    python: Path
    home: Path

    def environment(self, url: str, token: str) -> dict[str, str]:
        """The variables that lead a client to `url`, and keep it from everything else."""
        return os.environ | {
            "PADDLEOCR_BASE_URL": url,
            "PADDLEOCR_ACCESS_TOKEN": token,
            "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True",
            "PADDLE_PDX_CACHE_HOME": str(self.home),
            "PYTHONPATH": "",
            "PYTHONWARNINGS": "ignore",
        }

    def command(self, name: str, *words: str, url: str, token: str = "any") -> subprocess.CompletedProcess[str]:
        """Run a command of the environment, such as `paddleocr`."""
        return self._run([*self.program(name), *words], url, token)

    def program(self, name: str) -> list[str]:
        """How a command of the environment is run: its own first line names the folder that it was built in."""
        return [str(self.python), str(self.python.parent / name)]

    def script(self, text: str, *words: str, url: str, token: str = "any") -> subprocess.CompletedProcess[str]:
        """Run Python there."""
        return self._run([str(self.python), "-c", textwrap.dedent(text), *words], url, token)

    def _run(self, command: Sequence[str], url: str, token: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment(url, token),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )


def _printed(config: pytest.Config, name: str) -> Path:
    """What environments.py prints for `name`; how far its building has come is shown."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        run = subprocess.run([sys.executable, environments.__file__, name], stdout=subprocess.PIPE, text=True, check=True)
    return Path(run.stdout.strip())


@pytest.fixture(scope="session")
def python_clients(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> PythonClients:
    """The Python clients; tests that use them have the marker `clients`."""
    return PythonClients(_printed(pytestconfig, "clients"), tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="session")
def node_packages(pytestconfig: pytest.Config) -> Path:
    """A folder in whose node_modules the TypeScript SDK is; tests that use it have the marker `node`."""
    return _printed(pytestconfig, "node")
