"""Amazon SES through SNS: signed with a certificate of Amazon's, for one topic, which is confirmed and then kept.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html and
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html, …/notification-contents.html
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mailrelay.events import amazon
from mailrelay.events.event import Call, Event, EventRefused, listed, moment, table, text
from quazzar.certificates import UNREADABLE

_CONFIRMATIONS = ("SubscriptionConfirmation", "UnsubscribeConfirmation")
#: What is signed, in this order; Subject only where there is one.
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    **dict.fromkeys(
        _CONFIRMATIONS, ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    ),
}
_HASHES: dict[str, type[hashes.SHA1] | type[hashes.SHA256]] = {"1": hashes.SHA1, "2": hashes.SHA256}
_TYPES = {
    "Bounce": "bounced",
    "Complaint": "complained",
    "Delivery": "delivered",
    "DeliveryDelay": "deferred",
    "Reject": "rejected",
    "Send": "sent",
    "Open": "opened",
    "Click": "clicked",
    "Rendering Failure": "failed",
    "Subscription": "subscribed",
}
#: Of a permanent bounce: the address exists, but this mail was not taken.
_NOT_THE_ADDRESS = ("MailboxFull", "MessageTooLarge", "ContentRejected", "AttachmentRejected")


def is_key(text: str) -> bool:
    """Whether this can be the ARN of a topic."""
    return re.fullmatch(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w.-]{1,260}", text, re.ASCII) is not None


def topic(call: Call) -> str:
    """The ARN of the topic that a call comes from."""
    return text(table(call.json()).get("TopicArn"))


def verify(call: Call, key: str) -> None:
    """Check the signature, and that it is the expected topic.

    Raises:
        EventRefused: one of them is wrong.
    """
    body = table(call.json())
    names = _SIGNED.get(text(body.get("Type")))
    digest = _HASHES.get(text(body.get("SignatureVersion")))
    if names is None or digest is None:
        raise EventRefused("This is no message of Amazon SNS.")
    if key and topic(call) != key:
        raise EventRefused("This call comes from another SNS topic.")
    signed = "".join(f"{name}\n{text(body[name])}\n" for name in names if name in body)
    try:
        found = x509.load_pem_x509_certificate(
            amazon.certificate(text(body.get("SigningCertURL")))
        ).public_key()
        signature = base64.b64decode(text(body.get("Signature")), validate=True)
        if not isinstance(found, rsa.RSAPublicKey):
            raise EventRefused
        found.verify(signature, signed.encode(), padding.PKCS1v15(), digest())
    except (InvalidSignature, *UNREADABLE) as exc:
        raise EventRefused from exc


def kind(call: Call) -> str:
    """What SNS calls this kind of call."""
    return text(table(call.json()).get("Type"))


def subscribing(call: Call) -> str:
    """The address that confirms the subscription, if this call asks for that; call it after ``verify``."""
    return text(table(call.json()).get("SubscribeURL")) if kind(call) == "SubscriptionConfirmation" else ""


def read(call: Call) -> list[Event]:
    """The events of a call, one for each recipient."""
    body = table(call.json())
    if body.get("Type") != "Notification":
        return []
    try:
        told = table(json.loads(text(body.get("Message"))))
    except (ValueError, RecursionError):
        return []  # "Successfully validated SNS topic for Amazon SES event publishing."
    name = text(told.get("eventType")) or text(told.get("notificationType"))
    kind = _TYPES.get(name, "unknown")
    # DeliveryDelay has its details in deliveryDelay.
    details = table(told.get(name[:1].lower() + name[1:])) or table(told.get(name.lower()))
    mail = table(told.get("mail"))
    common: dict[str, Any] = {
        "at": moment(details.get("timestamp") or mail.get("timestamp")),
        "senders": (text(mail.get("source")),),
        "message_ids": tuple(_message_ids(mail)),
    }
    return [Event(kind, **common, **each) for each in _people(kind, details, mail)]


def _message_ids(mail: dict[str, Any]) -> list[str]:
    """Ours, as the header says it; SES sends the mail under an id of its own."""
    headers = [table(header) for header in listed(mail.get("headers"))]
    return [
        text(header.get("value")) for header in headers if text(header.get("name")).lower() == "message-id"
    ]


def _people(kind: str, details: dict[str, Any], mail: dict[str, Any]) -> list[dict[str, Any]]:
    if kind in ("bounced", "deferred"):
        people = listed(details.get("bouncedRecipients")) or listed(details.get("delayedRecipients"))
        hard = _hard(details) if kind == "bounced" else None
        host = text(details.get("reportingMTA")).rpartition(";")[2].strip()
        return [_person(table(one), hard, host) for one in people]
    if kind == "complained":
        said = text(details.get("complaintFeedbackType")) or "reported as spam"
        people = [table(one) for one in listed(details.get("complainedRecipients"))]
        return [{"recipient": text(one.get("emailAddress")), "said": said} for one in people]
    if kind == "delivered":
        said = text(details.get("smtpResponse"))
        return [{"recipient": text(one), "said": said} for one in listed(details.get("recipients"))]
    reason = text(details.get("reason")) or text(details.get("errorMessage"))
    return [
        {"recipient": text(one), "said": reason, "hard": False} for one in listed(mail.get("destination"))
    ]


def _person(one: dict[str, Any], hard: bool | None, host: str) -> dict[str, Any]:
    said = text(one.get("diagnosticCode"))
    said = said.partition(";")[2].strip() if said.lower().startswith("smtp;") else said
    return {
        "recipient": text(one.get("emailAddress")),
        "said": said,
        "status": text(one.get("status")),
        "hard": hard,
        "host": host,
    }


def _hard(details: dict[str, Any]) -> bool:
    return details.get("bounceType") == "Permanent" and details.get("bounceSubType") not in _NOT_THE_ADDRESS
