"""The table of providers: what choosing a preset fills in, and what to enter beside it. Data only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Region:
    """A region of a provider, with a host of its own."""

    id: str
    name: str
    host: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider.

    Attributes:
        host: empty for the custom preset.
        username_hint: what the user name is, shown beside its field; ``password_hint`` likewise.
        docs: where to find the credentials at the provider.
        other_ports: further open ports, for networks that block the usual one.
        own_sender: it puts an envelope sender of its own in place of ours, so that bounces go to it.
        connections: how many to have open at most. The providers listed here publish no lower limit (SendGrid: 10,000),
            and a server that allows fewer refuses the others with 421, after which no more are tried.
    """

    id: str
    name: str
    host: str
    username_hint: str
    password_hint: str
    docs: str
    port: int = 587
    security: str = "starttls"
    regions: tuple[Region, ...] = ()
    other_ports: str = ""
    own_sender: bool = False
    connections: int = 25

    def public(self) -> dict[str, Any]:
        """What the API lists: id, name, host, port, security, and regions where there is a choice."""
        fields: dict[str, Any] = {
            name: getattr(self, name) for name in ("id", "name", "host", "port", "security")
        }
        if self.regions:
            fields["regions"] = [asdict(region) for region in self.regions]
        return fields

    def region_of(self, host: str) -> Region | None:
        """The region with this host, or None."""
        return next((region for region in self.regions if region.host == host.lower()), None)


_SES_REGIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "ca-central-1": "Canada (Central)",
    "ca-west-1": "Canada West (Calgary)",
    "sa-east-1": "South America (São Paulo)",
    "eu-central-1": "Europe (Frankfurt)",
    "eu-central-2": "Europe (Zurich)",
    "eu-north-1": "Europe (Stockholm)",
    "eu-south-1": "Europe (Milan)",
    "eu-west-1": "Europe (Ireland)",
    "eu-west-2": "Europe (London)",
    "eu-west-3": "Europe (Paris)",
    "af-south-1": "Africa (Cape Town)",
    "il-central-1": "Israel (Tel Aviv)",
    "me-central-1": "Middle East (UAE)",
    "me-south-1": "Middle East (Bahrain)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-northeast-2": "Asia Pacific (Seoul)",
    "ap-northeast-3": "Asia Pacific (Osaka)",
    "ap-south-1": "Asia Pacific (Mumbai)",
    "ap-south-2": "Asia Pacific (Hyderabad)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "ap-southeast-3": "Asia Pacific (Jakarta)",
    "ap-southeast-5": "Asia Pacific (Malaysia)",
    "us-gov-east-1": "AWS GovCloud (US-East)",
    "us-gov-west-1": "AWS GovCloud (US-West)",
}

PRESETS: tuple[Preset, ...] = (
    Preset(
        "mailgun",
        "Mailgun",
        "smtp.mailgun.org",
        "the SMTP user of your sending domain, such as postmaster@mg.example.com",
        "the password of that SMTP user, not an API key",
        "Mailgun: Sending → Domain settings → SMTP credentials. Choose your domain's region.",
        regions=(Region("us", "US", "smtp.mailgun.org"), Region("eu", "EU", "smtp.eu.mailgun.org")),
        other_ports="2525 with STARTTLS, or 465 with Implicit TLS",
        own_sender=True,
    ),
    Preset(
        "sendgrid",
        "SendGrid",
        "smtp.sendgrid.net",
        "apikey",
        "an API key with Mail Send permission; it begins with SG.",
        "SendGrid: Settings → API Keys. The username is always the word apikey, the key is the password.",
        other_ports="2525 with STARTTLS, or 465 with Implicit TLS",
        own_sender=True,
    ),
    Preset(
        "postmark",
        "Postmark",
        "smtp.postmarkapp.com",
        "the Server API token",
        "the same Server API token again",
        "Postmark: Servers → your server → API Tokens. The server token is both username and password.",
        other_ports="2525 with STARTTLS",
        own_sender=True,
    ),
    Preset(
        "ses",
        "Amazon SES",
        "email-smtp.us-east-1.amazonaws.com",
        "the SMTP user name that SES created for this region",
        "the SMTP password that came with it, not an AWS secret access key",
        "Amazon SES: SMTP settings → Create SMTP credentials. They are valid only in that region.",
        regions=tuple(
            Region(id_, name, f"email-smtp.{id_}.amazonaws.com") for id_, name in _SES_REGIONS.items()
        ),
        other_ports="2587 with STARTTLS, or 465 with Implicit TLS",
    ),
    Preset(
        "custom",
        "Custom SMTP",
        "",
        "often your whole email address; leave it empty if the server needs no sign-in",
        "often an app password",
        "Any SMTP server. Use port 587 with STARTTLS, or 465 with implicit TLS; your provider's help page says which.",
    ),
)

#: (id, name) of each preset, as forms and serializers want them.
CHOICES = tuple((preset.id, preset.name) for preset in PRESETS)
#: Servers of mailboxes that replace an envelope sender other than the account's, or refuse it.
_OWN_SENDER = (
    "smtp.gmail.com",
    "smtp.office365.com",
    "smtp-mail.outlook.com",
    "smtp.mail.yahoo.com",
    "smtp.mail.me.com",
    "smtp.aol.com",
    "smtp.gmx.com",
    "mail.gmx.net",
    "smtp.web.de",
    "smtp.zoho.com",
    "smtp.zoho.eu",
)
_BY_ID = {preset.id: preset for preset in PRESETS}


def by_id(preset_id: str) -> Preset | None:
    """The preset with this id, or None."""
    return _BY_ID.get(preset_id)


def insists_on_sender(preset_id: str, host: str) -> bool:
    """Whether the provider takes no envelope sender but its own, or the account's."""
    preset = by_id(preset_id)
    return (preset is not None and preset.own_sender) or host.lower() in _OWN_SENDER
