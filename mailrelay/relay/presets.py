"""The provider table: what choosing a preset fills in, and what to type next to it. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Region:
    """One of a provider's hosts."""

    id: str
    name: str
    host: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider. ``other_ports`` are open there too, for networks that block the usual one."""

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

    def public(self) -> dict[str, Any]:
        """As the API lists it; ``regions`` only where there is a choice."""
        shown: dict[str, Any] = {
            "id": self.id, "name": self.name, "host": self.host, "port": self.port, "security": self.security,
        }  # fmt: skip
        if self.regions:
            shown["regions"] = [{"id": one.id, "name": one.name, "host": one.host} for one in self.regions]
        return shown

    def region_of(self, host: str) -> Region | None:
        """The region that has this host."""
        return next((one for one in self.regions if one.host == host.lower()), None)


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
        "Mailgun: Sending → Domain settings → SMTP credentials. Choose the region of your domain.",
        regions=(Region("us", "US", "smtp.mailgun.org"), Region("eu", "EU", "smtp.eu.mailgun.org")),
        other_ports="2525 with STARTTLS, or 465 with Implicit TLS",
    ),
    Preset(
        "sendgrid",
        "SendGrid",
        "smtp.sendgrid.net",
        "apikey",
        "an API key with Mail Send permission; it begins with SG.",
        "SendGrid: Settings → API Keys. The username is always the word apikey, the key is the password.",
        other_ports="2525 with STARTTLS, or 465 with Implicit TLS",
    ),
    Preset(
        "postmark",
        "Postmark",
        "smtp.postmarkapp.com",
        "the Server API token",
        "the same Server API token again",
        "Postmark: Servers → your server → API Tokens. The server token is username and password alike.",
        other_ports="2525 with STARTTLS",
    ),
    Preset(
        "ses",
        "AWS SES",
        "email-smtp.us-east-1.amazonaws.com",
        "the SMTP user name that SES made for this region",
        "the SMTP password that came with it, not an AWS secret access key",
        "Amazon SES: SMTP settings → Create SMTP credentials. They hold in the region where they were made.",
        regions=tuple(
            Region(id_, name, f"email-smtp.{id_}.amazonaws.com") for id_, name in _SES_REGIONS.items()
        ),
        other_ports="2587 with STARTTLS, or 465 with Implicit TLS",
    ),
    Preset(
        "custom",
        "Custom SMTP",
        "",
        "often the whole mail address; empty for a server that wants no login",
        "often a password made for applications",
        "Any SMTP server: 587 with STARTTLS, or 465 with Implicit TLS. Its help page names them.",
    ),
)

_BY_ID = {preset.id: preset for preset in PRESETS}


def by_id(preset_id: str) -> Preset | None:
    """The preset of that id, or None."""
    return _BY_ID.get(preset_id)
