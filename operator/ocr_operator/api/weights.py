"""Where the weights of a module come from: its image, a volume, a URL, or a cache that all pods of an OCRService share."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ocr_operator.api.blocks import Block, KeyedBy, Quantity, Rule, one_source
from ocr_operator.api.parts import Claim, Name

LONGEST_WITH_CACHE = 46
"""Characters of metadata.name with a cache, so that there is room for the name of the Job that fills it."""


class Download(Block):
    """A model that an init container fetches and checks before the service starts."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.sha256)",
            "a url needs its sha256: the 64 hex digits that `sha256sum` prints for the file",
            lambda block: block.sha256 is None,
        ),
    )
    name: str = Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="What params call it.")
    url: str = Field(
        max_length=2048,
        pattern=r"^https?://[^\s]+$",
        description="Where a file, .zip, .tar or .tar.gz of its folder lies; http or https.",
    )
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 of what url serves, in lower-case hex.")


ModelName = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]

_OWN_CLAIM = ("size", "storage_class_name", "access_mode", "reclaim")


class Cache(Block):
    """Weights that are fetched once and read by all pods. Modules share one cache: where it lies belongs in spec.defaults."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.claimName) && has(self.nodePath)) && (!(has(self.claimName) || has(self.nodePath))"
            " || !(has(self.size) || has(self.storageClassName) || has(self.accessMode) || has(self.reclaim)))",
            "a cache lies in one place: give claimName, or nodePath, or for a claim that is made for it size, storageClassName,"
            " accessMode and reclaim",
            lambda block: (
                (block.claim_name is not None and block.node_path is not None)
                or (
                    (block.claim_name is not None or block.node_path is not None)
                    and any(getattr(block, name) is not None for name in _OWN_CLAIM)
                )
            ),
        ),
        Rule(
            "!has(self.path) || (has(self.claimName) && !self.path.matches('(^|/)[.][.](/|$)'))",
            "path is a folder inside the claim of claimName: leave '..' out, and path where no claimName is given",
            lambda block: block.path is not None and (block.claim_name is None or ".." in block.path.split("/")),
        ),
        Rule(
            "!has(self.nodePath) || !self.nodePath.matches('(^|/)[.][.](/|$)')",
            "nodePath must not lead elsewhere: leave '..' out",
            lambda block: ".." in (block.node_path or "").split("/"),
        ),
    )
    names: Annotated[list[ModelName], KeyedBy("")] | None = Field(
        None,
        max_length=64,
        description="Models, sets and languages, as `ocr-serving models pull` takes them; by default those that params name.",
    )
    download: Annotated[list[Download], KeyedBy("name")] | None = Field(
        None, min_length=1, max_length=16, description="Models of your own to keep in it."
    )
    size: Quantity | None = Field(None, description="Size of the claim that is made for it; 10Gi by default.")
    storage_class_name: Name | None = Field(None, description="Its StorageClass; the cluster's default one otherwise.")
    access_mode: Literal["ReadWriteMany", "ReadWriteOnce"] | None = Field(
        None, description="ReadWriteMany by default; ReadWriteOnce where all pods are on one node."
    )
    reclaim: Literal["Retain", "Delete"] | None = Field(
        None,
        description="Retain, the default, keeps that claim where the cache is switched off or the OCRService deleted.",
    )
    claim_name: Name | None = Field(None, description="A claim of yours in its place, that pods may write to.")
    path: str | None = Field(
        None, min_length=1, max_length=1024, pattern=r"^[^/]", description="Folder inside that claim; its root by default."
    )
    node_path: str | None = Field(
        None,
        min_length=2,
        max_length=1024,
        pattern=r"^/[^/].*$",
        description="A folder of each node in place of a claim, that user 10001 may write to; filled by the first pod there. The"
        " operator's --allow-volumes has to name hostPath.",
    )

    @property
    def place(self) -> tuple[object, ...]:
        """Where it lies, and how that is made; equal for all modules of an OCRService."""
        return (
            *(self.claim_name, self.path, self.node_path),
            *(self.size, self.storage_class_name, self.access_mode, self.reclaim),
        )


class Models(Block):
    """Where the weights come from; those in the image can be read in every case."""

    rules: ClassVar[tuple[Rule, ...]] = (one_source("models come", "image", "pvc", "download", "cache"),)
    image: Literal["default"] | None = Field(None, description="The weights in the image, as without `models`.")
    pvc: Claim | None = Field(None, description="A store of models on a volume, mounted read-only at /models.")
    download: Annotated[list[Download], KeyedBy("name")] | None = Field(
        None, min_length=1, max_length=16, description="Models fetched into /models when a pod starts."
    )
    cache: Cache | None = Field(
        None, description="Models fetched once, by a Job, and read by all pods: mounted read-only at /models."
    )
