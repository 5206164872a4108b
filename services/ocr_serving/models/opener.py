"""Where the files of models may be downloaded from."""

import os
import urllib.parse

from ocr_serving.errors import ModelError
from ocr_serving.outbound import Address, Opener


class ModelRules:
    """The host that the URL names may be anywhere but at a link-local address, where clouds keep credentials.

    A redirect may lead on to that host, or to public addresses. The environment's OCR_SERVING_ALLOW_PRIVATE_DOWNLOADS=1 allows all.
    """

    def __init__(self, url: str) -> None:
        """For what is downloaded from `url`."""
        self._named = urllib.parse.urlsplit(url).hostname
        self._all_allowed = os.environ.get("OCR_SERVING_ALLOW_PRIVATE_DOWNLOADS", "") in ("1", "true")

    def refusal(self, host: str, address: Address) -> ModelError | None:
        """As `Rules.refusal`."""
        if self._all_allowed or not (address.is_link_local or (host != self._named and not address.is_global)):
            return None
        return ModelError(
            f"A download was led to {host}, at the private address {address}; "
            f"name a URL that serves the file itself, or set OCR_SERVING_ALLOW_PRIVATE_DOWNLOADS=1 where that is meant."
        )

    def misled(self, url: str) -> ModelError | None:
        """As `Rules.misled`."""
        scheme = urllib.parse.urlsplit(url).scheme
        if scheme in ("http", "https"):
            return None
        return ModelError(f"A download was redirected to a URL of scheme {scheme!r:.20}; only http and https are followed.")


def opener(url: str) -> Opener:
    """What downloads from `url`, by way of the environment's proxies where there are any."""
    return Opener(ModelRules(url), proxied=True)
