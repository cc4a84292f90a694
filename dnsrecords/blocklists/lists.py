"""The blocklists that are asked, and what each of their answers means, by their own documentation. Pure.

A list that is not here was left out because it has ended (SORBS, NiX Spam), lists whole networks, or takes money for
removal: few servers follow such lists.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

#: What RFC 5782 §5 has every list of addresses answer: the first is listed, the second is not.
_TEST_LISTED, _TEST_CLEAR = "127.0.0.2", "127.0.0.1"
#: The same of lists of domains (§3.2), where the list names no other.
_NOT_A_DOMAIN = "invalid"


class Refusal(StrEnum):
    """Why a list does not say whether it lists something. The values are in the API."""

    PUBLIC_RESOLVER = "public_resolver"
    TOO_MANY_QUERIES = "too_many_queries"
    BLOCKED = "blocked"
    WRONG_QUERY = "wrong_query"
    REWRITTEN = "rewritten"


@dataclass(frozen=True, slots=True)
class Blocklist:
    """A list in DNS.

    Attributes:
        key: names it in settings, rows and the API.
        page: where one looks an entry up, and asks for its removal.
        codes: the address that the list answers → what it means. Others in 127.0.0.0/8 count as listed.
        bits: for lists whose last octet is a sum: bit → what it means.
        refusals: the address that it answers instead of saying anything.
        ipv6: it has addresses of IPv6, too.
        domains: it lists domains, not addresses.
        listed: what it lists for tests, and ``clear``: what it never lists.
        remedy: what to do if the list does not answer to a resolver, besides running one of your own.
    """

    key: str
    name: str
    zone: str
    page: str
    codes: Mapping[str, str] = field(default_factory=dict)
    bits: Mapping[int, str] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    ipv6: bool = False
    domains: bool = False
    listed: str = _TEST_LISTED
    clear: str = _TEST_CLEAR
    remedy: str = ""

    def takes(self, subject: str) -> bool:
        """Whether the list can have this address or domain."""
        if self.domains:
            return not is_address(subject)
        return is_address(subject) and (self.ipv6 or ":" not in subject)

    def question(self, subject: str) -> str:
        """The name that the list has for an address (RFC 5782 §2.1, §2.4) or a domain (§3.1)."""
        if not is_address(subject):
            return f"{subject}.{self.zone}"
        labels = ipaddress.ip_address(subject).reverse_pointer.rpartition(".")[0].rpartition(".")[0]
        return f"{labels}.{self.zone}"


def is_address(subject: str) -> bool:
    """Whether it is an IP address, not a domain."""
    try:
        ipaddress.ip_address(subject)
    except ValueError:
        return False
    return True


#: https://www.spamhaus.org/faqs/dnsbl-usage/: errors, which say nothing about what was asked.
_SPAMHAUS = {
    "127.255.255.252": Refusal.WRONG_QUERY,
    "127.255.255.254": Refusal.PUBLIC_RESOLVER,
    "127.255.255.255": Refusal.TOO_MANY_QUERIES,
}
_KEY = "Or register at Spamhaus for its free Data Query Service, and leave this list out here."

LISTS = (
    Blocklist(
        "spamhaus",
        "Spamhaus ZEN",
        "zen.spamhaus.org",
        "https://check.spamhaus.org/",
        codes={
            "127.0.0.2": "SBL: seen sending or hosting spam",
            "127.0.0.3": "CSS: seen sending spam, or set up like a spammer",
            "127.0.0.4": "XBL: infected or open to abuse",
            "127.0.0.5": "XBL: infected or open to abuse",
            "127.0.0.6": "XBL: infected or open to abuse",
            "127.0.0.7": "XBL: infected or open to abuse",
            "127.0.0.9": "DROP: a network of criminals",
            "127.0.0.10": "PBL: the provider says that this network sends no mail itself",
            "127.0.0.11": "PBL: Spamhaus takes this for a network that sends no mail itself",
            "127.0.0.30": "BCL: a control server of a botnet",
        },
        refusals=_SPAMHAUS,
        ipv6=True,
        remedy=_KEY,
    ),
    Blocklist(
        "barracuda",
        "Barracuda",
        "b.barracudacentral.org",
        "https://www.barracudacentral.org/rbl/removal-request",
        codes={"127.0.0.2": "seen sending spam"},
        remedy="Barracuda answers only to resolvers that were registered at https://www.barracudacentral.org/rbl.",
    ),
    Blocklist(
        "spamcop",
        "SpamCop",
        "bl.spamcop.net",
        "https://www.spamcop.net/bl.shtml",
        codes={
            "127.0.0.2": "users reported spam from it; the entry ends by itself a day after the last report"
        },
    ),
    Blocklist(
        "psbl",
        "PSBL",
        "psbl.surriel.com",
        "https://psbl.org/remove",
        codes={"127.0.0.2": "sent mail to a spam trap"},
    ),
    Blocklist(
        "dbl",
        "Spamhaus DBL",
        "dbl.spamhaus.org",
        "https://check.spamhaus.org/",
        codes={
            "127.0.1.2": "a domain in spam",
            "127.0.1.4": "phishing",
            "127.0.1.5": "malware",
            "127.0.1.6": "a control server of a botnet",
            "127.0.1.102": "a legitimate domain that is abused in spam",
            "127.0.1.103": "a redirector that is abused in spam",
            "127.0.1.104": "a legitimate domain that is abused for phishing",
            "127.0.1.105": "a legitimate domain that is abused for malware",
            "127.0.1.106": "a legitimate domain that is abused by a botnet",
        },
        refusals={**_SPAMHAUS, "127.0.1.255": Refusal.WRONG_QUERY},
        domains=True,
        listed="dbltest.com",
        clear=_NOT_A_DOMAIN,
        remedy=_KEY,
    ),
    Blocklist(
        "surbl",
        "SURBL",
        "multi.surbl.org",
        "https://surbl.org/surbl-analysis",
        bits={8: "phishing", 16: "malware", 64: "spam", 128: "a site that was broken into"},
        refusals={"127.0.0.1": Refusal.BLOCKED},
        domains=True,
        listed="surbl-org-permanent-test-point.com",
        clear=_NOT_A_DOMAIN,
    ),
    Blocklist(
        "uribl",
        "URIBL",
        "multi.uribl.com",
        "https://lookup.uribl.com/",
        bits={2: "black: spam", 4: "grey: bulk mail that some do not want", 8: "red: looks like spam"},
        refusals={"127.0.0.1": Refusal.BLOCKED},
        domains=True,
        listed="test.uribl.com",
        clear=_NOT_A_DOMAIN,
    ),
)
BY_KEY = {each.key: each for each in LISTS}
