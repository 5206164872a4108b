"""`python -m training.scripts`: draw lines in the fonts of this machine, train, write the model.

To ship what it wrote, copy its folder to services/ocr_serving/data/models and state the file's size and hash in
services/ocr_serving/models/catalogue.toml.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ocr_serving.errors import ServingError
from training.scripts import train


def main(argv: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m training.scripts", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where line_scripts is written")
    parser.add_argument(
        "--fonts", type=Path, default=Path("/usr/share/fonts"), metavar="DIR", help="where fonts are (default: %(default)s)"
    )
    parser.add_argument("--lines", type=int, default=60_000, help="how many lines are drawn (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="how often each line is seen (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of training; more may round otherwise (default: 1)")
    parser.add_argument("--processes", type=int, default=1, help="that draw; more draw the same (default: 1)")
    args = parser.parse_args(argv)
    try:
        train.run(args)
    except ServingError as exc:
        print(exc, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
