"""What a failed delivery means, and what to do about it. Pure.

Kinds: dns_not_found, dns_failed, refused, unreachable, timeout_connect, timeout_greeting, timeout, closed,
bad_greeting, tls_not_offered, tls_wrong_version, tls_failed, cert_self_signed, cert_unknown_ca, cert_expired,
cert_hostname, auth_not_offered, auth_mechanism, auth_rejected, password_unreadable, smtputf8_not_offered,
too_many_recipients, suppressed, rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mailrelay.diagnosis import connectionhints, replyhints
from mailrelay.diagnosis.rules import Facts, hint_of
from quazzar.errors import DeliveryError

RULES = (*connectionhints.RULES, *replyhints.RULES)

_ANSWERED = "The server answered "
_MOST = 500
_NOT_ACCEPTED = "The server did not accept the username and password"
_REFUSED = {
    "connect": "The server rejected the connection",
    "tls": "The server refused STARTTLS",
    "auth": "The server refused the sign-in",
    "sender": "The server refused the sender",
    "recipient": "The server refused the recipient",
    "data": "The server refused the mail",
}


class RelayLike(Protocol):
    """The settings that a hint can depend on; ``RelaySettings`` has them."""

    provider: str
    host: str
    port: int
    security: str
    username: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A failure in words: a sentence on what happened, and a hint on what to do."""

    message: str
    hint: str


def explain(failure: DeliveryError, relay: RelayLike, oddities: Sequence[str] = ()) -> Diagnosis:
    """What this failure at this relay means.

    Args:
        oddities: sentences about the saved username and password; they come first if the server refused those.
    """
    facts = Facts(
        stage=failure.stage,
        kind=failure.kind,
        code=failure.smtp_code,
        text=failure.message,
        provider=relay.provider,
        host=relay.host.lower(),
        port=relay.port,
        security=relay.security,
        username=relay.username,
    )
    hint = hint_of(RULES, facts)
    if facts.kind == "auth_rejected" and facts.password_refused:
        hint = " ".join([*oddities, hint])
    return Diagnosis(_sentence(facts), hint)


def _sentence(facts: Facts) -> str:
    """The sentence of the SMTP edge. A bare reply of the server is prefixed with the step that it answers."""
    text = facts.text
    if text.startswith(_ANSWERED) and facts.stage in _REFUSED:
        refused = _NOT_ACCEPTED if facts.password_refused and facts.stage == "auth" else _REFUSED[facts.stage]
        for_now = "" if facts.permanent else " for now"
        text = f"{refused}{for_now}: {text.removeprefix(_ANSWERED)}"
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
