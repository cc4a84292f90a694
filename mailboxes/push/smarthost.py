"""The relay that the stack's mail leaves through → Postfix's files for it. Pure."""

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
    """The value of ``relayhost``: brackets, because the name is a host and not a mail domain; or nothing.

    Raises:
        ValueError: a sentence, as ``problem``; so do the others.
    """
    return f"{_next_hop(snapshot.smarthost)}\n".encode() if snapshot.smarthost else b""


def sasl_passwd(snapshot: Snapshot) -> bytes:
    """smtp_sasl_password_maps: what to log in to the relay with; empty when it asks for nothing."""
    smarthost = snapshot.smarthost
    if smarthost is None or not smarthost.username:
        return b""
    return f"{_next_hop(smarthost)} {smarthost.username}:{smarthost.password}\n".encode()


def tls_policy(snapshot: Snapshot) -> bytes:
    """smtp_tls_policy_maps: with TLS the certificate must bear the relay's own name."""
    if snapshot.smarthost is None:
        return b""
    host = snapshot.smarthost.host.lower()
    level = "none" if snapshot.smarthost.security == "none" else f"secure match={host}"
    return f"{_next_hop(snapshot.smarthost)} {level}\n".encode()


def problem(smarthost: Smarthost) -> str:
    """Why Postfix cannot use this relay, in a sentence that never holds the password; empty when it can."""
    if not _is_address(smarthost.host) and not _HOST.fullmatch(smarthost.host):
        return "The relay's host is not a name that Postfix can use."
    if type(smarthost.port) is not int or not 1 <= smarthost.port <= 65535:
        return "The relay's port is not a number from 1 to 65535."
    if smarthost.security not in _SECURITIES:
        return "The relay's security is none of starttls, tls, none."
    if smarthost.security != "none" and _is_address(smarthost.host):
        # Postfix compares names only; anything less than "secure" would hand the password to whoever answers.
        return "Postfix cannot check the certificate of an IP address: give the relay's host name."
    return _credentials_problem(smarthost.username, smarthost.password)


def _credentials_problem(username: str, password: str) -> str:
    """Postfix's table format has no quotes for a value: blanks at its ends are lost, a colon ends the username."""
    if not username:
        return ""
    if any(_CONTROL.search(text) for text in (username, password)):
        return "The relay's username or password contains a line break or a control character."
    if not _is_utf8(username + password):
        return "The relay's username or password contains half a character."
    if ":" in username or username.startswith(" "):
        return "Postfix cannot use a relay username that contains a colon, or begins with a space."
    if password.endswith(" "):
        return "Postfix cannot use a relay password that ends with a space."
    return ""


def _next_hop(smarthost: Smarthost) -> str:
    """``[host]:port``: the key in both tables must be exactly what relayhost says."""
    sentence = problem(smarthost)
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
