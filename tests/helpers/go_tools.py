"""Tools written in Go, built once at a fixed version and kept, and files of Go modules."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path


def built(package: str, version: str) -> Path:
    """The program of the Go package `package` at `version`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocr-serving" / "go" / version
    program = cache / package.rpartition("/")[2]
    if not program.is_file():
        # Into a folder of its own, and then moved: another run may be at it too.
        making = cache / f"making-{os.getpid()}"
        making.mkdir(parents=True, exist_ok=True)
        command = ["go", "install", f"{package}@{version}"]
        done = subprocess.run(command, env=os.environ | {"GOBIN": str(making)}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (making / program.name).replace(program)
        shutil.rmtree(making)
    return program


def module_folder(module: str, version: str) -> Path:
    """The files of the Go module `module` at `version`."""
    command = ["go", "mod", "download", "-json", f"{module}@{version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return Path(json.loads(done.stdout)["Dir"])
