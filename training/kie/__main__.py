"""`python -m training.kie`: make forms, train, write the model; or go on from a model with labelled forms of the user's.

To ship what it wrote as the demo weights, copy the two folders to services/ocr_serving/data/models and state their files' sizes and
hashes in services/ocr_serving/models/catalogue.toml.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ocr_serving.errors import ServingError
from training.kie import train


def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m training.kie", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where NAME_ser and NAME_re are written")
    parser.add_argument("--name", default="kie_demo", help="what the two folders are called (default: kie_demo)")
    parser.add_argument(
        "--finetune", type=Path, metavar="DIR", help="forms of yours in FUNSD's format: annotations/*.json, images/*.png"
    )
    parser.add_argument(
        "--start", type=Path, metavar="FILE", help="the NAME.pt that --finetune goes on from (default: train one first)"
    )
    parser.add_argument("--forms", type=int, default=4000, help="how many forms are made up (default: 4000)")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes, for a try; then the run is not reproducible")
    parser.add_argument("--epochs", type=float, default=3.0, help="how often each form is seen (default: 3)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="more only where the cores are idle (default: 1)")
    args = parser.parse_args(argv)
    try:
        train.run(args)
    except ServingError as exc:
        print(exc, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
