"""Errors a user may read: the text of each is one sentence that says what is wrong and what to do."""


class ServingError(Exception):
    """Base of every error whose text is meant for a user; anything else is a fault of ours."""


class InputError(ServingError):
    """The caller sent something `predict` does not take: status "101", HTTP 400."""


class TooLargeError(InputError):
    """The caller sent more than a limit allows: status "101", HTTP 413."""


class ConfigError(ServingError):
    """A configuration that cannot be served; refused before anything starts."""


class ModelError(ServingError):
    """A model that is not there, is damaged, or is not what the stage needs."""


class UnavailableError(ServingError):
    """Nothing is wrong with the request, but it cannot be answered now: HTTP 503, ask again."""


class FullError(UnavailableError):
    """As much waits already as may."""


class LateError(UnavailableError):
    """The deadline passed first."""


class LostError(UnavailableError):
    """Whatever was to answer died on the way."""
