"""What can go wrong, each with a sentence that says what to do."""


class OCRError(Exception):
    """The base of all errors of this package."""


class UnreachableError(OCRError):
    """No service answers at the address."""


class RefusedError(OCRError):
    """The service cannot read this; `code` is its HTTP code."""

    def __init__(self, message: str, code: int) -> None:
        """`message` is the service's own sentence."""
        super().__init__(message)
        self.code = code


class KeyNeededError(RefusedError):
    """The service asks for a key and none, or a wrong one, was sent."""


class BusyError(RefusedError):
    """The service stayed full for as long as it was asked again."""
