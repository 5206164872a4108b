"""What ships with the package: a page to try a service with, a small strip to warm one up, demo weights for key information."""

from pathlib import Path

PAGE = Path(__file__).parent / "page.jpg"
WARMUP = Path(__file__).parent / "warmup.png"
"""One line of text, 300 x 90 pixels."""
EXAMPLE = Path(__file__).parent / "example.png"
"""Two words, 200 x 40 pixels, in few bytes: what the examples of the API send."""
PACKAGED = Path(__file__).parent / "models"
"""Folders of the models that come with the package."""
