"""Files that anybody may read without signing in: MTA-STS policies, and settings for mail programs.

They hold names of servers and ports, and do not reveal whether a mailbox exists.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import unescape  # nothing parses XML here, so that no entity is expanded

from django.conf import settings
from django.http import HttpResponse, HttpResponseNotAllowed, UnreadablePostError

from dnsrecords.mtasts.policy import PATH as POLICY_PATH
from dnsrecords.records import options
from mailboxes import autoconfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

_THUNDERBIRD = {"/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"}
#: Outlook writes it in several ways.
_OUTLOOK = "/autodiscover/autodiscover.xml"
_HOST = re.compile(r"([a-z0-9_-]+(?:\.[a-z0-9_-]+)+)\.?(?::[0-9]{1,5})?")
#: Outlook's request has some five hundred bytes.
_LARGEST = 8 * 1024
_ADDRESS = re.compile(r"<(?:\w{1,20}:)?EMailAddress>([^<>]{3,400})</", re.ASCII)
_ENTITIES = {"&apos;": "'", "&quot;": '"'}


class WellKnownMiddleware:
    """Serves these files under the names that they have to be at, before anything checks the Host header.

    Requests for other names and paths pass through. A lapsed licence does not change this: mail keeps flowing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return _answer(request) or self.get_response(request)


def _answer(request: HttpRequest) -> HttpResponse | None:
    path = request.path_info
    if path == POLICY_PATH:
        return _policy(request, _host(request))
    if path in _THUNDERBIRD:
        return _thunderbird(request, _host(request))
    if path.lower() == _OUTLOOK:
        return _outlook(request, _host(request))
    return None


def _host(request: HttpRequest) -> str:
    """The name in the Host header, whether or not ALLOWED_HOSTS has it; empty: the header holds no name."""
    match = _HOST.fullmatch(request.META.get("HTTP_HOST", "").lower())
    return match[1] if match else ""


# --- for senders -------------------------------------------------------------------------------------------
def _policy(request: HttpRequest, host: str) -> HttpResponse | None:
    prefix, _, domain = host.partition(".")
    policy = options.policy(domain) if prefix == "mta-sts" else ""
    if not policy:
        return None
    return _file(request, policy.encode("ascii"), "text/plain; charset=utf-8")


# --- for mail programs -------------------------------------------------------------------------------------
def _thunderbird(request: HttpRequest, host: str) -> HttpResponse | None:
    domain = host.removeprefix("autoconfig.")
    server = options.mail_host({host, domain}) if host else ""
    if not server:
        return None
    content = autoconfig.thunderbird_for_all(domain, server, settings.QUAZZAR_STACK_PORT_OFFSET)
    return _file(request, content, "application/xml")


def _outlook(request: HttpRequest, host: str) -> HttpResponse | None:
    server = options.mail_host({host, host.removeprefix("autodiscover.")}) if host else ""
    if not server:
        return None
    if request.method != "POST":
        return _refusal(["POST"])
    try:
        content = autoconfig.outlook(_address_in(request), server, settings.QUAZZAR_STACK_PORT_OFFSET)
    except ValueError:
        refusal = HttpResponse("This is not a request for settings.\n", status=400, content_type="text/plain")
        return _headed(refusal, "no-store")
    return _headed(HttpResponse(content, content_type="application/xml"), "no-store")


def _address_in(request: HttpRequest) -> str:
    """The mail address in Outlook's request.

    Raises:
        ValueError: there is no address in it, or it is no such request.
    """
    try:
        data = request.read(_LARGEST + 1)
    except UnreadablePostError as exc:
        raise ValueError("The request body could not be read.") from exc
    text = data.decode("utf-8", "replace")
    match = _ADDRESS.search(text)
    # Declarations of entities or of a document type have no place in it.
    if len(data) > _LARGEST or "<!" in text or not match:
        raise ValueError("The request contains no address.")
    return unescape(match[1], _ENTITIES).strip()


# --- answers -----------------------------------------------------------------------------------------------
def _file(request: HttpRequest, content: bytes, kind: str) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        return _refusal(["GET", "HEAD"])
    # Short: senders fetch a policy when its id has changed, and must not get the old one from a cache.
    return _headed(HttpResponse(content, content_type=kind), "public, max-age=60")


def _refusal(methods: Sequence[str]) -> HttpResponse:
    return _headed(HttpResponseNotAllowed(methods), "no-store")


def _headed(response: HttpResponse, cache: str) -> HttpResponse:
    response["Cache-Control"] = cache
    response["Content-Length"] = str(len(response.content))
    response["X-Content-Type-Options"] = "nosniff"
    return response
