"""Postmark's webhooks. They are not signed: the address cannot be guessed, and may have a password (basic auth).

https://postmarkapp.com/developer/webhooks/webhooks-overview and …/api/bounce-api#bounce-types
"""

from __future__ import annotations

import base64
import hmac

from mailrelay.events.event import Call, Event, EventRefused, moment, table, text

_RECORDS = {
    "Delivery": "delivered",
    "Bounce": "bounced",
    "SpamComplaint": "complained",
    "SubscriptionChange": "unsubscribed",
    "Open": "opened",
    "Click": "clicked",
}
#: Type of a bounce → event type, and whether the address itself is to blame.
_BOUNCES: dict[str, tuple[str, bool | None]] = {
    "HardBounce": ("bounced", True),
    "BadEmailAddress": ("rejected", True),
    "SoftBounce": ("bounced", False),
    "Transient": ("deferred", None),
    "DnsError": ("deferred", None),
    "AutoResponder": ("autoresponded", None),
    "AddressChange": ("autoresponded", None),
    "ChallengeVerification": ("autoresponded", None),
    "SpamNotification": ("bounced", False),
    "VirusNotification": ("bounced", False),
    "Blocked": ("rejected", False),
    "DMARCPolicy": ("rejected", False),
    "ManuallyDeactivated": ("rejected", False),
    "Unconfirmed": ("rejected", False),
    "SMTPApiError": ("failed", False),
    "SpamComplaint": ("complained", None),
    "Subscribe": ("subscribed", None),
    "Unsubscribe": ("unsubscribed", None),
}


def verify(call: Call, key: str) -> None:
    """Check the password, if there is one.

    Raises:
        EventRefused: it is wrong.
    """
    if not key:
        return
    scheme, _, coded = call.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(coded.strip(), validate=True).partition(b":")[2]
    except ValueError:  # binascii.Error, or it is not ASCII
        given = b""
    if scheme.lower() != "basic" or not hmac.compare_digest(given, key.encode()):
        raise EventRefused("The password in the webhook's address is missing or wrong.")


def read(call: Call) -> list[Event]:
    """The one event of a call."""
    data = table(call.json())
    kind, hard = _RECORDS.get(text(data.get("RecordType")), "unknown"), None
    if kind == "bounced":
        kind, hard = _BOUNCES.get(text(data.get("Type")), ("bounced", None))
    when = next(
        (data[name] for name in ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt") if name in data), None
    )
    return [
        Event(
            kind,
            text(data.get("Email")) or text(data.get("Recipient")),
            moment(when),
            hard=hard,
            said=text(data.get("Details")) or text(data.get("Description")),
            # Postmark's own MessageID is not the mail's, unless the mail asked to keep it (X-PM-KeepID).
            message_ids=(text(table(data.get("Metadata")).get("message-id")),),
            subject=text(data.get("Subject")),
        )
    ]
