"""What commands say to whoever typed them."""

import sys


def say(text: str) -> None:
    """One line to the person who started the service."""
    print(f"ocr-serving: {text}", flush=True)


def warn(text: str) -> None:
    """One line about what was asked for and is not done."""
    print(f"ocr-serving: {text}", file=sys.stderr, flush=True)
