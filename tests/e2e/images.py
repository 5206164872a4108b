"""The images that the tests run, tagged by what they were made from: a current one is not made again, and none is stale."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CLUSTER_SCRIPTS = ROOT / "tests" / "cluster"
_MODULES = ("services", "images/base", "images/module", "images/requirements", "images/build.sh")
_OPERATOR = ("operator", "images/operator", "images/requirements/build.txt", "operator/requirements.txt", "images/build.sh")


@dataclass(frozen=True)
class Images:
    """Names of the images; `registry` and `repository` are those of the chart's values, `tag` is that of the modules."""

    registry: str
    repository: str
    tag: str
    operator: str

    def module(self, name: str, flavor: str = "cpu") -> str:
        """The reference of a module's image, as the operator writes it."""
        return f"{self.prefix}/{name.replace('_', '-')}:{self.tag}-{flavor}"

    @property
    def tags(self) -> tuple[str, str]:
        """What the tags of modules begin with, and the operator's."""
        return self.tag, self.operator.rpartition(":")[2]

    @property
    def prefix(self) -> str:
        """What all references begin with."""
        return f"{self.registry}/{self.repository}"


def images() -> Images:
    """The images of the sources as they are now. REGISTRY and REPOSITORY say where a given cluster pulls from."""
    registry, repository = os.environ.get("REGISTRY", "docker.io"), os.environ.get("REPOSITORY", "ocr-serving")
    tag, operator = f"e2e-{_digest(_MODULES)}", f"e2e-{_digest(_OPERATOR)}"
    return Images(registry, repository, tag, f"{registry}/{repository}/operator:{operator}")


def make(wanted: Images, there: Iterable[str], environment: Mapping[str, str]) -> None:
    """Build and load what of `wanted` is not `there`, with the builder's output shown.

    Flavours are built beside each other, for they mostly wait for packages and the disk. Raises subprocess.CalledProcessError where
    that fails.
    """
    present = set(there)
    jobs = [
        ("cpu", [name for name in ("ocr_system", "structure_table") if wanted.module(name) not in present], wanted.tag),
        ("gpu", [name for name in ("ocr_system",) if wanted.module(name, "gpu") not in present], wanted.tag),
        ("cpu", [] if wanted.operator in present else ["operator"], wanted.tags[1]),
    ]
    with ThreadPoolExecutor() as pool:
        made = [
            pool.submit(_build, names, {**os.environ, **environment, "FLAVOR": flavor, "TAG": tag})
            for flavor, names, tag in jobs
            if names
        ]
    for each in made:
        each.result()


def _build(names: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run images.sh; each line that it prints begins with what it is at."""
    label = f"{', '.join(names)} ({environment['FLAVOR']})"
    command = [str(CLUSTER_SCRIPTS / "images.sh"), *names]
    print(f"{label}: building {environment['TAG']}", flush=True)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace") as process:
        for line in process.stdout or ():
            print(f"{label}: {line}", end="", flush=True)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _digest(paths: Iterable[str]) -> str:
    """12 hex digits over the names and contents of the files of `paths`."""
    digest = hashlib.sha256()
    for path in paths:
        top = ROOT / path
        for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
            relative = file.relative_to(ROOT)
            is_built = any(part in ("__pycache__", "build") or part.endswith(".egg-info") for part in relative.parts)
            if file.is_file() and not is_built:
                digest.update(f"{relative}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
