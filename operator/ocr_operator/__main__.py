"""`python -m ocr_operator` is `ocr-operator`."""

import sys

from ocr_operator.cli import main

sys.exit(main())
