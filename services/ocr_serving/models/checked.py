"""Copying that knows what must come out."""

import hashlib
from pathlib import Path
from typing import IO

from ocr_serving.errors import ModelError
from ocr_serving.models.catalogue import ModelFile

CHUNK = 1 << 20


def copy_checked(stream: IO[bytes], target: Path, expected: ModelFile, *, origin: str) -> None:
    """Write `stream` to the new file `target`; raises ModelError unless size and SHA-256 are as expected.

    Never writes more than the expected size, where there is one, and one chunk.
    """
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as out:
        while (expected.size is None or size <= expected.size) and (chunk := stream.read(CHUNK)):
            digest.update(chunk)
            size += len(chunk)
            out.write(chunk)
    if size != (size if expected.size is None else expected.size) or digest.hexdigest() != expected.sha256:
        raise ModelError(
            f"{expected.name} from {origin} is not the file of the catalogue (SHA-256 {digest.hexdigest()[:12]}…, "
            f"not {expected.sha256[:12]}…); nothing was kept, so check where it comes from and pull again."
        )
