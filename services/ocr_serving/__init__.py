"""OCR services that answer PaddleOCR's hubserving calls."""

__version__ = "0.1.0"
