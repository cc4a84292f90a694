"""SendGrid's Event Webhook: an ECDSA signature over time and body, checked with the webhook's verification key.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event and
…/tracking-events/getting-started-event-webhook-security-features
"""

from __future__ import annotations

import base64
from datetime import timedelta

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mailrelay.events.event import Call, Event, EventRefused, listed, moment, table, text

#: SendGrid repeats a call for 24 hours.
_WINDOW = timedelta(hours=25)
_SIGNATURE, _TIME = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
_TYPES = {
    "delivered": "delivered",
    "deferred": "deferred",
    "bounce": "bounced",
    "dropped": "rejected",
    "spamreport": "complained",
    "processed": "queued",
    "open": "opened",
    "click": "clicked",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
    "group_resubscribe": "subscribed",
}
#: ``type`` of a bounce, ``reason`` of a drop → whether the address itself is to blame.
_HARD = {
    "bounce": None,
    "blocked": False,
    "bounced address": True,
    "invalid": True,
    "spam reporting address": False,
}


def is_key(text: str) -> bool:
    """Whether this can be a verification key."""
    return _public(text) is not None


def _public(key: str) -> ec.EllipticCurvePublicKey | None:
    try:
        found = serialization.load_der_public_key(base64.b64decode(key))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return found if isinstance(found, ec.EllipticCurvePublicKey) else None


def verify(call: Call, key: str) -> None:
    """Check the signature and its time.

    Raises:
        EventRefused: one of them is wrong.
    """
    time, public = call.headers.get(_TIME, ""), _public(key)
    if public is None:
        raise EventRefused("The verification key cannot be one. Copy it from SendGrid again.")
    try:
        signature = base64.b64decode(call.headers.get(_SIGNATURE, ""), validate=True)
        public.verify(signature, time.encode() + call.body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as exc:
        raise EventRefused from exc
    at = moment(int(time)) if time.isdecimal() and len(time) < 12 else None
    if at is None or abs(call.now - at) > _WINDOW:
        raise EventRefused("This call is too old, or the clock of this node is wrong.")


def read(call: Call) -> list[Event]:
    """The events of a call."""
    found = []
    for each in map(table, listed(call.json())):
        kind = _TYPES.get(text(each.get("event")), "unknown")
        said = text(each.get("response")) or text(each.get("reason"))
        cause = (text(each.get("reason")) if kind == "rejected" else text(each.get("type"))).lower()
        found.append(
            Event(
                kind,
                text(each.get("email")),
                moment(each.get("timestamp")),
                hard=_HARD.get(cause),
                said=said,
                status=text(each.get("status")),
                message_ids=(text(each.get("smtp-id")),),
            )
        )
    return found
