"""Mailgun's webhooks: HMAC of time and token with the account's HTTP webhook signing key.

https://documentation.mailgun.com/docs/mailgun/user-manual/events/webhooks and …/user-manual/webhooks/securing-webhooks
"""

from __future__ import annotations

import hmac
from datetime import timedelta

from mailrelay.events.event import Call, Event, EventRefused, moment, table, text

#: Mailgun repeats a call for eight hours.
_WINDOW = timedelta(hours=9)
_TYPES = {
    "delivered": "delivered",
    "failed": "bounced",
    "rejected": "rejected",
    "complained": "complained",
    "unsubscribed": "unsubscribed",
    "opened": "opened",
    "clicked": "clicked",
}


def verify(call: Call, key: str) -> None:
    """Check the signature and its time.

    Raises:
        EventRefused: one of them is wrong.
    """
    signed = table(table(call.json()).get("signature"))
    time, token, signature = (text(signed.get(name)) for name in ("timestamp", "token", "signature"))
    wanted = hmac.digest(key.encode(), f"{time}{token}".encode(), "sha256").hex()
    if not key or not hmac.compare_digest(wanted.encode(), signature.encode()):
        raise EventRefused
    at = moment(int(time)) if time.isdecimal() and len(time) < 12 else None
    if at is None or abs(call.now - at) > _WINDOW:
        raise EventRefused("This call is too old, or the clock of this node is wrong.")


def read(call: Call) -> list[Event]:
    """The one event of a call."""
    data = table(table(call.json()).get("event-data"))
    kind = _TYPES.get(text(data.get("event")), "unknown")
    if kind == "bounced" and data.get("severity") == "temporary":
        kind = "deferred"
    message = table(data.get("message"))
    headers, status = table(message.get("headers")), table(data.get("delivery-status"))
    said = (
        text(status.get("message"))
        or text(status.get("description"))
        or text(table(data.get("reject")).get("reason"))
    )
    code = status.get("code")
    if isinstance(code, int) and 400 <= code < 600 and not said.startswith(str(code)):
        said = f"{code} {said}"
    return [
        Event(
            kind,
            text(data.get("recipient")),
            moment(data.get("timestamp")),
            hard=True if data.get("reason") == "suppress-bounce" else None,
            said=said,
            status=text(status.get("enhanced-code")),
            host=text(status.get("mx-host")),
            senders=(text(table(data.get("envelope")).get("sender")),),
            message_ids=(text(headers.get("message-id")),),
        )
    ]
