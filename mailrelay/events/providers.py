"""The providers whose webhooks are understood: how each is checked and read, and what the operator enters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailrelay.events import mailgun, postmark, sendgrid, ses
from mailrelay.events.event import Call, Event


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider.

    Attributes:
        key: what its calls are checked with, as the provider calls it.
        key_hint: where to find that.
        needs_key: without it, no call is accepted.
        is_key: whether a text can be one.
        steps: where to paste the address.
    """

    id: str
    name: str
    key: str
    key_hint: str
    needs_key: bool
    steps: str
    verify: Callable[[Call, str], None]
    read: Callable[[Call], list[Event]]
    is_key: Callable[[str], bool] = bool


PROVIDERS = {
    provider.id: provider
    for provider in (
        Provider(
            "mailgun",
            "Mailgun",
            "HTTP webhook signing key",
            "Mailgun: Settings → API security → HTTP webhook signing key.",
            True,
            "Mailgun: Sending → Webhooks → Add webhook. Add the address for Delivered Messages, Temporary Failure, "
            "Permanent Failure and Spam Complaints.",
            mailgun.verify,
            mailgun.read,
        ),
        Provider(
            "sendgrid",
            "SendGrid",
            "Verification key",
            "Switch on Signed Event Webhook and copy the verification key that SendGrid then shows.",
            True,
            "SendGrid: Settings → Mail Settings → Event Webhooks. Choose Delivered, Deferred, Bounced, Dropped and "
            "Spam Reports.",
            sendgrid.verify,
            sendgrid.read,
            sendgrid.is_key,
        ),
        Provider(
            "postmark",
            "Postmark",
            "Password",
            "Optional: enter the same password as Basic auth at Postmark.",
            False,
            "Postmark: your server → your message stream → Webhooks → Add webhook. Choose Delivery, Bounce and Spam "
            "Complaint.",
            postmark.verify,
            postmark.read,
        ),
        Provider(
            "ses",
            "Amazon SES",
            "ARN of the SNS topic",
            "Optional. Without one, the first topic that subscribes is kept, and no other after it.",
            False,
            "Amazon SES: let the identity, or a configuration set, publish Bounce, Complaint and Delivery to an SNS "
            "topic. SNS: create an HTTPS subscription with this address; Quazzar confirms it. Include the original "
            "headers.",
            ses.verify,
            ses.read,
            ses.is_key,
        ),
    )
}

#: Id and name of each, for forms and serializers.
CHOICES = [(provider.id, provider.name) for provider in PROVIDERS.values()]
