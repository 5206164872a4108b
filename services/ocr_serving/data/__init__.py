"""What ships with the package: a page to try a service with, a small strip to warm one up, demo weights for key information."""

from pathlib import Path

PAGE = Path(__file__).parent / "page.jpg"
WARMUP = Path(__file__).parent / "warmup.png"
"""One line of text, 300 x 90 pixels."""
PACKAGED = Path(__file__).parent / "models"
"""Folders of the models that come with the package."""
