"""Mail providers that a relay may be: what authorises each in an SPF record, and what that is worth. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dnsrecords.names import within


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that outgoing mail leaves through.

    Attributes:
        include: what authorises it in an SPF record.
        hosts: what the names of its hosts end in, to recognise a relay that was typed in by hand.
        note: what the include is worth. SPF judges the envelope sender, which a provider may replace by its own.
    """

    name: str
    include: str
    hosts: tuple[str, ...]
    note: str


#: Preset of the relay → its provider.
PROVIDERS = {
    "mailgun": Provider(
        name="Mailgun",
        include="mailgun.org",  # names the hosts of both regions
        hosts=("mailgun.org",),
        note=(
            "Mailgun sends bounces to its sending domain, so the include only counts if that is this "
            "domain. Verify the domain at Mailgun as well."
        ),
    ),
    "sendgrid": Provider(
        name="SendGrid",
        include="sendgrid.net",
        hosts=("sendgrid.net",),
        note=(
            "SendGrid uses its own envelope sender until you authenticate the domain there. SPF then "
            "aligns through the CNAME records that SendGrid lists; this include alone is not enough."
        ),
    ),
    "postmark": Provider(
        name="Postmark",
        include="spf.mtasv.net",
        hosts=("postmarkapp.com", "mtasv.net"),
        note=(
            "Postmark sends with pm.mtasv.net as envelope sender, so DMARC depends on DKIM until you set "
            "up a custom Return-Path there (a CNAME to pm.mtasv.net). This include alone does not align "
            "SPF."
        ),
    ),
    "ses": Provider(
        name="Amazon SES",
        include="amazonses.com",
        hosts=("amazonaws.com",),
        note=(
            "Amazon SES sends with amazonses.com as envelope sender until you set up a custom MAIL FROM "
            "domain there. It also rewrites Date and Message-ID, which breaks a signature over them, so "
            "turn on Easy DKIM for the domain too."
        ),
    ),
}


def relay_include(preset: str, host: str = "") -> str:
    """The SPF include of a relay, by its preset or by the name of its host; empty: none is known."""
    if preset in PROVIDERS:
        return PROVIDERS[preset].include
    name = host.lower().rstrip(".")
    for provider in PROVIDERS.values():
        if any(within(name, end) for end in provider.hosts):
            return provider.include
    return ""


def provider_of(include: str) -> Provider | None:
    """The provider that an SPF include authorises; None: it is none of those known here."""
    return next((provider for provider in PROVIDERS.values() if provider.include == include), None)
