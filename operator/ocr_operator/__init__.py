"""The operator that turns OCRService objects into running services."""

__version__ = "0.1.0"
