"""`python -m ocr_serving.cli`."""

import sys

from ocr_serving.cli import main

sys.exit(main())
