"""Calls as the providers document them, signed as the providers sign: with keys of our own in place of theirs."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from mailrelay.events.event import Call
from mailrelay.events.ses import _SIGNED

NOW = datetime(2026, 11, 16, 9, 0, 30, tzinfo=UTC)
KEY = "mailgun-signing-key"
MESSAGE_ID = "disk-92@example.org"

# --- Mailgun: https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-structure


def mailgun(event: dict[str, Any], *, key: str = KEY, at: datetime = NOW) -> bytes:
    token, time = "e44b8ea9a0f8e24e86ab1ba5b4fd5c4e6c9b9e5fe1d1d1f1ce", str(int(at.timestamp()))
    signature = hmac.digest(key.encode(), f"{time}{token}".encode(), "sha256").hex()
    return json.dumps(
        {"signature": {"token": token, "timestamp": time, "signature": signature}, "event-data": event}
    ).encode()


MAILGUN_FAILED: dict[str, Any] = {
    "id": "G9Bn5sl1TC6nu79C8C0bwg",
    "timestamp": NOW.timestamp(),
    "log-level": "error",
    "event": "failed",
    "severity": "permanent",
    "reason": "bounce",
    "delivery-status": {
        "attempt-no": 1,
        "message": "5.1.1 The email account that you tried to reach does not exist.",
        "code": 550,
        "enhanced-code": "5.1.1",
        "description": "",
        "session-seconds": 0.09,
        "mx-host": "mail.example.com",
    },
    "flags": {"is-routed": False, "is-authenticated": True, "is-system-test": False, "is-test-mode": False},
    "envelope": {"transport": "smtp", "sender": "node@example.org", "targets": "anna@example.com"},
    "message": {
        "headers": {"to": "anna@example.com", "message-id": MESSAGE_ID, "subject": "Disk 92 %"},
        "attachments": [],
        "size": 111,
    },
    "recipient": "anna@example.com",
    "recipient-domain": "example.com",
    "tags": [],
    "campaigns": [],
    "user-variables": {},
}  # fmt: skip
MAILGUN_DELIVERED = {
    **MAILGUN_FAILED,
    "event": "delivered",
    "delivery-status": {"code": 250, "message": "OK", "mx-host": "mail.example.com", "tls": True},
}
MAILGUN_DELIVERED.pop("severity")
MAILGUN_DELIVERED.pop("reason")
MAILGUN_TEMPORARY = {
    **MAILGUN_FAILED,
    "severity": "temporary",
    "reason": "generic",
    "delivery-status": {"code": 452, "message": "4.2.2 Over quota", "retry-seconds": 600},
}
MAILGUN_COMPLAINED = {**MAILGUN_DELIVERED, "event": "complained"}
MAILGUN_COMPLAINED.pop("delivery-status")

# --- SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event

SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())
SENDGRID_PUBLIC = base64.b64encode(
    SENDGRID_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
).decode()


def sendgrid(*events: dict[str, Any], at: datetime = NOW) -> tuple[bytes, dict[str, str]]:
    body, time = json.dumps(events).encode() + b"\r\n", str(int(at.timestamp()))
    signature = SENDGRID_KEY.sign(time.encode() + body, ec.ECDSA(hashes.SHA256()))
    return body, {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": time,
    }


_SENDGRID = {
    "email": "anna@example.com",
    "timestamp": int(NOW.timestamp()),
    "smtp-id": f"<{MESSAGE_ID}>",
    "category": ["cat facts"],
    "sg_event_id": "sg_event_id",
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
}
SENDGRID_BOUNCE = {
    **_SENDGRID,
    "event": "bounce",
    "type": "bounce",
    "status": "5.1.1",
    "reason": "550 5.1.1 The email account that you tried to reach does not exist",
    "bounce_classification": "Invalid Address",
}
SENDGRID_BLOCKED = {**SENDGRID_BOUNCE, "type": "blocked", "status": "5.7.1", "reason": "554 5.7.1 spam"}
SENDGRID_DROPPED = {**_SENDGRID, "event": "dropped", "reason": "Bounced Address", "status": "5.0.0"}
SENDGRID_DELIVERED = {**_SENDGRID, "event": "delivered", "response": "250 OK"}
SENDGRID_DEFERRED = {**_SENDGRID, "event": "deferred", "response": "400 try again later", "attempt": "5"}
SENDGRID_SPAM = {**_SENDGRID, "event": "spamreport"}
SENDGRID_OPEN = {**_SENDGRID, "event": "open", "useragent": "Mozilla/4.0"}

# --- Postmark: https://postmarkapp.com/developer/webhooks/bounce-webhook and its siblings

POSTMARK_BOUNCE = {
    "RecordType": "Bounce",
    "MessageStream": "outbound",
    "ID": 4323372036854775807,
    "Type": "HardBounce",
    "TypeCode": 1,
    "Name": "Hard bounce",
    "Tag": "Test",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "Metadata": {},
    "ServerID": 23,
    "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
    "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
    "Email": "anna@example.com",
    "From": "node@example.org",
    "BouncedAt": "2026-11-16T09:00:20Z",
    "DumpAvailable": True,
    "Inactive": True,
    "CanActivate": True,
    "Subject": "Disk 92 %",
    "Content": "<Full dump of bounce>",
}
POSTMARK_SOFT = {**POSTMARK_BOUNCE, "Type": "SoftBounce", "TypeCode": 4096, "Details": "552 5.2.2 full"}
POSTMARK_COMPLAINT = {
    **POSTMARK_BOUNCE,
    "RecordType": "SpamComplaint",
    "Type": "SpamComplaint",
    "TypeCode": 512,
}
POSTMARK_AUTO = {**POSTMARK_BOUNCE, "Type": "AutoResponder"}
POSTMARK_DELIVERY = {
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "Recipient": "anna@example.com",
    "DeliveredAt": "2026-11-16T09:00:20Z",
    "Details": "Test delivery webhook details",
    "Tag": "welcome-email",
    "ServerID": 23,
    "Metadata": {"message-id": MESSAGE_ID},
    "RecordType": "Delivery",
    "MessageStream": "outbound",
}

# --- Amazon SES: https://docs.aws.amazon.com/ses/latest/dg/notification-examples.html and event-publishing-…-examples

TOPIC = "arn:aws:sns:us-east-1:123456789012:ses-events"
PEM = "SimpleNotificationService-12345abcde.pem"
CERT_URL = f"https://sns.us-east-1.amazonaws.com/{PEM}"
CONFIRM_URL = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37"
SNS_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(SNS_KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(SNS_KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def sns(kind: str, message: str, *, version: str = "2", **more: str) -> bytes:
    """A message of SNS, signed."""
    body = {
        "Type": kind,
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": "2026-11-16T09:00:25.000Z",
        "SignatureVersion": version,
        "SigningCertURL": CERT_URL,
        **more,
    }
    signed = "".join(f"{name}\n{body[name]}\n" for name in _SIGNED[kind] if name in body)
    digest = hashes.SHA1() if version == "1" else hashes.SHA256()
    body["Signature"] = base64.b64encode(SNS_KEY.sign(signed.encode(), padding.PKCS1v15(), digest)).decode()
    return json.dumps(body).encode()


def ses(event: dict[str, Any], **more: str) -> bytes:
    return sns("Notification", json.dumps(event), Subject="Amazon SES Email Event Notification", **more)


SUBSCRIPTION = {"Token": "2336412f37", "SubscribeURL": CONFIRM_URL}
SES_MAIL = {
    "timestamp": "2026-11-16T09:00:00.000Z",
    "source": "node@example.org",
    "sourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.org",
    "sendingAccountId": "123456789012",
    "messageId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000",
    "destination": ["anna@example.com", "bob@example.com"],
    "headersTruncated": False,
    "headers": [
        {"name": "From", "value": "Node <node@example.org>"},
        {"name": "Message-ID", "value": f"<{MESSAGE_ID}>"},
        {"name": "Subject", "value": "Disk 92 %"},
    ],
    "commonHeaders": {"from": ["Node <node@example.org>"], "subject": "Disk 92 %"},
}
SES_BOUNCE = {
    "notificationType": "Bounce",
    "bounce": {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "reportingMTA": "dns; a4-1.smtp-out.amazonses.com",
        "bouncedRecipients": [
            {
                "emailAddress": "anna@example.com",
                "status": "5.1.1",
                "action": "failed",
                "diagnosticCode": "smtp; 550 5.1.1 <anna@example.com>... User unknown",
            }
        ],
        "timestamp": "2026-11-16T09:00:20.000Z",
        "feedbackId": "00000138111222aa-44455566-cccc-cccc-cccc-ddddaaaa068a-000000",
    },
    "mail": SES_MAIL,
}
SES_FULL = {
    "eventType": "Bounce",
    "bounce": {
        "bounceType": "Transient",
        "bounceSubType": "MailboxFull",
        "bouncedRecipients": [
            {"emailAddress": "anna@example.com", "status": "5.2.2", "diagnosticCode": "smtp; 552 5.2.2 full"}
        ],
        "timestamp": "2026-11-16T09:00:20.000Z",
    },
    "mail": SES_MAIL,
}
SES_COMPLAINT = {
    "eventType": "Complaint",
    "complaint": {
        "complainedRecipients": [{"emailAddress": "anna@example.com"}],
        "timestamp": "2026-11-16T09:00:20.000Z",
        "complaintFeedbackType": "abuse",
    },
    "mail": SES_MAIL,
}
SES_DELIVERY = {
    "eventType": "Delivery",
    "delivery": {
        "timestamp": "2026-11-16T09:00:20.000Z",
        "processingTimeMillis": 546,
        "recipients": ["anna@example.com", "bob@example.com"],
        "smtpResponse": "250 ok:  Message 64111812 accepted",
        "reportingMTA": "a8-70.smtp-out.amazonses.com",
    },
    "mail": SES_MAIL,
}
SES_DELAY = {
    "eventType": "DeliveryDelay",
    "mail": SES_MAIL,
    "deliveryDelay": {
        "timestamp": "2026-11-16T09:00:20.000Z",
        "delayType": "TransientCommunicationFailure",
        "expirationTime": "2026-11-16T23:00:00.000Z",
        "delayedRecipients": [
            {
                "emailAddress": "anna@example.com",
                "status": "4.4.1",
                "diagnosticCode": "smtp; 421 4.4.1 Unable to connect",
            }
        ],
    },
}
SES_REJECT = {"eventType": "Reject", "mail": SES_MAIL, "reject": {"reason": "Bad content"}}


def call(body: bytes, headers: dict[str, str] | None = None, now: datetime = NOW) -> Call:
    return Call({name.lower(): value for name, value in (headers or {}).items()}, body, now)
