"""Renders Postfix's files for the relay that takes the stack's outgoing mail. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailboxes.push.entries import Smarthost, Snapshot

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SECURITIES = frozenset(("starttls", "tls", "none"))


def relayhost(snapshot: Snapshot) -> bytes:
    """The value of ``relayhost``, or nothing. The brackets say that the name is a host, not a mail domain.

    Raises:
        ValueError: Postfix cannot use the relay; the sentence is that of ``why_unusable``.
    """
    return f"{_next_hop(snapshot.smarthost)}\n".encode() if snapshot.smarthost else b""


def relay_wrappermode(snapshot: Snapshot) -> bytes:
    """The value of ``smtp_tls_wrappermode``: whether TLS begins with the first byte (RFC 8314)."""
    return b"yes\n" if snapshot.smarthost and snapshot.smarthost.security == "tls" else b"no\n"


def sasl_passwd(snapshot: Snapshot) -> bytes:
    """The table ``smtp_sasl_password_maps``, with the login at the relay; empty if the relay asks for none.

    Raises:
        ValueError: as ``relayhost``.
    """
    smarthost = snapshot.smarthost
    if smarthost is None or not smarthost.username:
        return b""
    return f"{_next_hop(smarthost)} {smarthost.username}:{smarthost.password}\n".encode()


def tls_policy(snapshot: Snapshot) -> bytes:
    """The table ``smtp_tls_policy_maps``: unless security is "none", the certificate must be for the relay's name.

    Raises:
        ValueError: as ``relayhost``.
    """
    if snapshot.smarthost is None:
        return b""
    host = snapshot.smarthost.host.lower()
    level = "none" if snapshot.smarthost.security == "none" else f"secure match={host}"
    return f"{_next_hop(snapshot.smarthost)} {level}\n".encode()


def authorities(snapshot: Snapshot) -> bytes:
    """The file for ``smtp_tls_CAfile``; empty if the image's own list applies."""
    return snapshot.smarthost.authorities.encode() if snapshot.smarthost else b""


def why_unusable(smarthost: Smarthost) -> str:
    """Why Postfix cannot use this relay, in a sentence without the password; empty if it can."""
    if not _is_address(smarthost.host) and not _HOST.fullmatch(smarthost.host):
        return "Postfix cannot use the relay's hostname."
    if type(smarthost.port) is not int or not 1 <= smarthost.port <= 65535:
        return "The relay's port is not a number from 1 to 65535."
    if smarthost.security not in _SECURITIES:
        return "The relay's security must be starttls, tls or none."
    if smarthost.security != "none" and _is_address(smarthost.host):
        # Postfix compares names only. Anything less than "secure" would give the password to any server that answers.
        return "Postfix cannot verify the certificate of an IP address. Enter the relay's hostname."
    return _credentials_problem(smarthost.username, smarthost.password)


def _credentials_problem(username: str, password: str) -> str:
    """The table format knows no quotes: blanks at the ends of a value are lost, and a colon ends the username."""
    if not username:
        return ""
    if any(_CONTROL.search(text) for text in (username, password)):
        return "The relay's username or password contains a line break or a control character."
    if not _is_utf8(username + password):
        return "The relay's username or password contains half a character."
    if ":" in username or username.startswith(" "):
        return "Postfix cannot use a relay username that contains a colon or begins with a space."
    if password.endswith(" "):
        return "Postfix cannot use a relay password that ends with a space."
    return ""


def _next_hop(smarthost: Smarthost) -> str:
    """``[host]:port``; both tables must use exactly this as their key, because Postfix looks up the relayhost."""
    sentence = why_unusable(smarthost)
    if sentence:
        raise ValueError(sentence)
    return f"[{smarthost.host.lower()}]:{smarthost.port}"


def _is_address(host: str) -> bool:
    try:
        return not getattr(ipaddress.ip_address(host), "scope_id", None)
    except ValueError:
        return False


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)
