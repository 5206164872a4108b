#!/usr/bin/env python3
"""mkimage.py BINARY IMAGE OUT.tar: a container image holding one static binary.

What `FROM scratch / COPY BINARY / / ENTRYPOINT` builds, as an archive that
`ctr images import` takes, with no image builder needed.
"""

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path


def tar_of(entries: list[tuple[str, bytes, int]]) -> bytes:
    """A tar of (name, data, mode), with nothing in it that changes from build to build."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data, mode in entries:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def main(binary: Path, image: str, out: Path) -> None:
    """Writes the archive."""
    layer = tar_of([(binary.name, binary.read_bytes(), 0o755)])
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/" + binary.name]},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        }
    ).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [image], "Layers": ["layer.tar"]}]).encode()
    out.write_bytes(tar_of([(config_name, config, 0o644), ("layer.tar", layer, 0o644), ("manifest.json", manifest, 0o644)]))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
