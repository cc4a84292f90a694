"""The edge to Amazon SNS: fetches its certificates and confirms subscriptions, from Amazon's own hosts only."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from functools import lru_cache
from http.client import HTTPException
from typing import Any

from mailrelay.events.event import EventRefused

_SECONDS = 5.0
_MOST_BYTES = 64 * 1024
_HOST = r"https://sns\.[a-z]{2}(?:-[a-z]+)+-\d\.amazonaws\.com(?:\.cn)?"
#: Without a query: SNS answers those of anybody, who could have it return a certificate of their own.
_CERTIFICATE = re.compile(_HOST + r"/SimpleNotificationService(?:-[0-9a-f]{1,64})?\.pem")
_CONFIRMATION = re.compile(_HOST + r"/\?Action=ConfirmSubscription&[!-~]{1,2000}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuses redirects: only addresses that were checked are asked."""


_opener = urllib.request.build_opener(_NoRedirect)


@lru_cache(maxsize=16)
def certificate(url: str) -> bytes:
    """The certificate at this address, in PEM.

    Raises:
        EventRefused: it is not Amazon's, or cannot be fetched.
    """
    if not _CERTIFICATE.fullmatch(url):
        raise EventRefused("The signing certificate is not at an address of Amazon SNS.")
    return fetch(url)


def confirm(url: str) -> None:
    """Confirm a subscription by calling its address.

    Raises:
        EventRefused: it is not Amazon's, or cannot be fetched.
    """
    if not _CONFIRMATION.fullmatch(url):
        raise EventRefused("The address to confirm the subscription is not Amazon's.")
    fetch(url)


def fetch(url: Any) -> bytes:
    """What is at this address, which must have been checked.

    Raises:
        EventRefused: it cannot be fetched.
    """
    try:
        with _opener.open(url, timeout=_SECONDS) as answer:
            content: bytes = answer.read(_MOST_BYTES)
    except (urllib.error.URLError, HTTPException, OSError, ValueError) as exc:
        raise EventRefused(
            f"Amazon SNS could not be reached: {type(exc).__name__}.", code="sns_unreachable"
        ) from exc
    return content
