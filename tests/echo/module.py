"""A module of a user's: it answers the size of each picture, and fails when told to."""

import os
import time
from collections.abc import Sequence
from typing import Any

from typing_extensions import TypedDict

from ocr_serving.decoding.images import Image
from ocr_serving.modules.base import Module, moduleinfo, params_beside, serving

read_params = params_beside(__file__)


class Size(TypedDict):
    """Height and width in pixels, the mean of all samples, and the process that looked."""

    height: int
    width: int
    mean: float
    pid: int


@moduleinfo(name="echo", summary="Sizes of pictures")
class Echo(Module):
    """See above."""

    def _initialize(self, use_gpu: bool = False, refuse: bool = False) -> None:
        if refuse:
            raise RuntimeError("refused as asked")
        self.kept: list[bytearray] = []
        self.scale = self.params_overrides.get("scale", read_params().scale)

    def predict(
        self,
        images: Sequence[Image | None] = (),
        paths: Sequence[str] = (),
        *,
        delay: float = 0.0,
        pause: float = 0.0,
        keep_mb: int = 0,
        fault: str | None = None,
    ) -> list[Size | list[Size]]:
        with self.stage("wait"):
            time.sleep(delay)
        if fault == "abort":
            os.abort()
        if fault == "raise":
            raise ValueError("secret detail")
        if fault == "nan":
            return [{"height": 0, "width": 0, "mean": float("nan"), "pid": 0}]
        # Written to, so that it is resident.
        self.kept += [bytearray(os.urandom(1) * (1 << 20)) for _ in range(keep_mb)]
        found: list[Size | list[Size]] = []
        for image in self.in_time(self.read(images, paths)):
            if image is None:
                found.append([])
            else:
                time.sleep(pause)
                height, width = image.shape[:2]
                found.append(
                    {"height": height * self.scale, "width": width * self.scale, "mean": float(image.mean()), "pid": os.getpid()}
                )
        return found

    @serving
    def serving_method(self, images: Sequence[str], **kwargs: Any) -> list[Any]:
        return self.predict(self.decode(images), **kwargs)


if __name__ == "__main__":
    Echo.main()
