"""What a hint can depend on, and what a rule for one looks like. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from mailrelay.relay.presets import by_id

#: Host suffix → vendor, also for those without a preset.
_HOSTS = {
    "mailgun.org": "mailgun",
    "sendgrid.net": "sendgrid",
    "postmarkapp.com": "postmark",
    "amazonaws.com": "ses",
    "gmail.com": "gmail",
    "googlemail.com": "gmail",
    "office365.com": "microsoft",
    "outlook.com": "microsoft",
    "yahoo.com": "yahoo",
    "aol.com": "yahoo",
    "me.com": "icloud",
    "icloud.com": "icloud",
    "fastmail.com": "fastmail",
    "gmx.net": "gmx",
    "gmx.com": "gmx",
    "web.de": "gmx",
    "zoho.com": "zoho",
    "zoho.eu": "zoho",
    "zoho.in": "zoho",
    "yandex.com": "yandex",
    "yandex.ru": "yandex",
    "ovh.net": "ovh",
    "ionos.com": "ionos",
    "ionos.de": "ionos",
    "1und1.de": "ionos",
    "strato.de": "strato",
}
#: Vendor → its name in a sentence, where it is not the preset's.
_NAMES = {
    "gmail": "Google",
    "microsoft": "Microsoft",
    "yahoo": "Yahoo",
    "icloud": "iCloud",
    "fastmail": "Fastmail",
    "gmx": "GMX or WEB.DE",
    "zoho": "Zoho",
    "yandex": "Yandex",
    "ovh": "OVHcloud",
    "ionos": "IONOS",
    "strato": "Strato",
}
#: Words in a 535 that are about something other than username and password.
_NOT_THE_PASSWORD = re.compile(
    r"disabled|locked|blocked|suspend|inactive|not (?:yet )?(?:active|enabled|allowed|available|permitted)|"
    r"too many|5\.7\.139(?!.*credentials were incorrect)|criteria|policy|expired|access rights|mechanism|"
    r"authentication type|temporar|limit|credits|ip address|denied|verify|"
    r"confirm|connection lost|internal (?:server )?error|try again later|backend",
    re.IGNORECASE,
)
_SES_HOST = re.compile(r"email-smtp\.([a-z0-9-]+)\.amazonaws\.com")
_MAILGUN_HOSTS = {"smtp.mailgun.org": "smtp.eu.mailgun.org", "smtp.eu.mailgun.org": "smtp.mailgun.org"}


@dataclass(frozen=True, slots=True)
class Facts:
    """One failure at one relay.

    Attributes:
        stage: where it failed; ``kind``: the failure in one word (see ``explain``).
        code: the server's reply code; None when it never answered.
        text: the sentence of the failure.
    """

    stage: str
    kind: str
    code: int | None
    text: str
    provider: str
    host: str
    port: int
    security: str
    username: str

    @property
    def vendor(self) -> str:
        """Whose server it is: according to its host name, or else the chosen preset."""
        return self.owner or self.provider

    @property
    def owner(self) -> str:
        """Whose server it is according to its host name alone, or ""."""
        return next((name for suffix, name in _HOSTS.items() if f".{self.host}".endswith(f".{suffix}")), "")

    @property
    def permanent(self) -> bool:
        """Whether the server refused for good; not if it never answered."""
        return self.code is not None and not 400 <= self.code < 500

    @property
    def password_refused(self) -> bool:
        """Whether the server checked username and password, as far as its words show."""
        return self.code == 535 and _NOT_THE_PASSWORD.search(self.text) is None

    def words(self) -> dict[str, str]:
        """The words that hints can name in braces."""
        preset = by_id(self.vendor) or by_id("custom")
        region = _SES_HOST.fullmatch(self.host)
        assert preset is not None
        return {
            "host": self.host,
            "port": str(self.port),
            "username": self.username,
            "relay": preset.name if preset.host else self.host,
            "vendor": _NAMES.get(self.vendor, "The provider"),
            "preset_host": preset.host,
            "other_ports": preset.other_ports or "587 or 2525 with STARTTLS, or 465 with Implicit TLS",
            "region": region[1] if region else "the one that the host names",
            "other_mailgun": _MAILGUN_HOSTS.get(self.host, "smtp.eu.mailgun.org"),
        }


@dataclass(frozen=True, slots=True)
class Rule:
    """A hint, and when it applies: all conditions that are set must be met.

    Attributes:
        words: a regular expression that the sentence must contain, ignoring case.
    """

    hint: str
    kinds: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    words: str = ""
    when: Callable[[Facts], bool] | None = None

    def fits(self, facts: Facts) -> bool:
        """Whether the hint applies to this failure."""
        return (
            (not self.kinds or facts.kind in self.kinds)
            and (not self.vendors or facts.vendor in self.vendors)
            and (not self.stages or facts.stage in self.stages)
            and (not self.codes or facts.code in self.codes)
            and (not self.words or _pattern(self.words).search(facts.text) is not None)
            and (self.when is None or self.when(facts))
        )


def hint_of(rules: Iterable[Rule], facts: Facts) -> str:
    """The hint of the first rule that fits, or ""."""
    rule = next((rule for rule in rules if rule.fits(facts)), None)
    return rule.hint.format_map(facts.words()) if rule else ""


@lru_cache(maxsize=256)
def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE)
