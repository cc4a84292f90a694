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
}
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
