"""The records that a domain needs, and those that are recommended: from facts about domain and node. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: An hour: short enough that a mistake is soon mended, long enough for caches to carry the mail's look-ups.
TTL = 3600
MX_PRIORITY = 10

#: Preset of the relay → what authorises that provider in an SPF record.
SPF_INCLUDES = {
    "mailgun": "mailgun.org",  # names the hosts of both regions
    "sendgrid": "sendgrid.net",
    "postmark": "spf.mtasv.net",
    "ses": "amazonses.com",
}
#: What the names of a provider's hosts end in → its include, for a relay that was typed in by hand.
_PROVIDER_HOSTS = {
    "mailgun.org": SPF_INCLUDES["mailgun"],
    "sendgrid.net": SPF_INCLUDES["sendgrid"],
    "postmarkapp.com": SPF_INCLUDES["postmark"],
    "mtasv.net": SPF_INCLUDES["postmark"],
    "amazonaws.com": SPF_INCLUDES["ses"],
}
#: Include → its provider as operators call it.
PROVIDERS = {
    "mailgun.org": "Mailgun",
    "sendgrid.net": "SendGrid",
    "spf.mtasv.net": "Postmark",
    "amazonses.com": "Amazon SES",
}
#: Include → what it is worth. SPF judges the envelope sender, which a provider may replace by one of its own.
RELAY_NOTES = {
    "mailgun.org": (
        "Mailgun returns bounces to its sending domain, so the include counts where that is this domain; "
        "verify the domain at Mailgun as well."
    ),
    "sendgrid.net": (
        "SendGrid replaces the envelope sender by its own until the domain is authenticated there; SPF then aligns "
        "through the CNAME records that SendGrid lists, and this include alone does not do it."
    ),
    "spf.mtasv.net": (
        "Postmark sends with pm.mtasv.net as envelope sender, so DMARC rests on DKIM until a custom Return-Path "
        "(a CNAME to pm.mtasv.net) is set up there; this include alone does not align SPF."
    ),
    "amazonses.com": (
        "Amazon SES sends with amazonses.com as envelope sender until a custom MAIL FROM domain is set up there, and "
        "it rewrites Date and Message-ID, which breaks a signature over them: turn on Easy DKIM for the domain too."
    ),
}


@dataclass(frozen=True, slots=True)
class Record:
    """A record to publish.

    Attributes:
        id: what it is for; of several alike, the second ends in ``_2``.
        name: absolute, lower case, without a final dot.
        value: to paste. Names in it end in a dot; TXT is one unquoted string. Empty: not known yet.
        purpose: one sentence for the operator.
    """

    id: str
    type: str
    name: str
    value: str
    ttl: int
    purpose: str
    required: bool


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the stack listens for mail programs."""

    submission: int = 587
    submissions: int = 465
    imap: int = 143
    imaps: int = 993

    @classmethod
    def shifted(cls, offset: int) -> Ports:
        """The usual ports, each with the offset of the stack added."""
        return cls(587 + offset, 465 + offset, 143 + offset, 993 + offset)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the records of a domain depend on.

    Attributes:
        hostname: of the stack, as the world is to call it; empty: not set up yet.
        dkim_public_key: of the key that signs, as in ``p=``; empty: there is none yet.
        relay_include: what authorises the provider that outgoing mail leaves through; see `relay_include`.
        relay_hosts: the relay, where no include is known for it.
        addresses: the public addresses of the hostname, if known.
        autoconfig: whether the files that mail programs ask for are served under the hostname.
        mta_sts: id of the MTA-STS policy that is served; empty: none is.
        signed: whether the hostname's zone is signed with DNSSEC.
        tlsa: what pins the certificate on port 25: ``3 1 1 <hex>``.
        extra_keys: (selector, key) that do not sign yet, or no longer.
    """

    domain: str
    hostname: str
    selector: str = "quazzar"
    dkim_public_key: str = ""
    relay_include: str = ""
    relay_hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    autoconfig: bool = False
    mta_sts: str = ""
    signed: bool = False
    tlsa: tuple[str, ...] = ()
    ports: Ports = Ports()
    extra_keys: tuple[tuple[str, str], ...] = ()


# --- names -------------------------------------------------------------------------------------------------
def relative_name(name: str, zone: str) -> str:
    """A name as registrars that add the zone by themselves want it: ``@`` for the zone's own.

    A name outside the zone stays absolute, with a final dot.
    """
    if name == zone:
        return "@"
    return name.removesuffix(f".{zone}") if within(name, zone) else f"{name}."


def within(name: str, zone: str) -> bool:
    """Whether a name is the zone's own or below it."""
    return name == zone or name.endswith(f".{zone}")


def relay_include(preset: str, host: str = "") -> str:
    """The SPF include of a relay, by its preset or by the name of its host; empty: none is known."""
    name = host.lower().rstrip(".")
    ends = (include for end, include in _PROVIDER_HOSTS.items() if within(name, end))
    return SPF_INCLUDES.get(preset) or next(ends, "")


# --- the required four -------------------------------------------------------------------------------------
def required(facts: Facts) -> tuple[Record, ...]:
    """MX, SPF, DKIM and DMARC, in this order."""
    return (_mx(facts), _spf(facts), _dkim(facts), _dmarc(facts))


def _mx(facts: Facts) -> Record:
    purpose = f"Tells other mail servers to deliver the mail for {facts.domain} to this node."
    value = f"{MX_PRIORITY} {facts.hostname}." if facts.hostname else ""
    return Record("mx", "MX", facts.domain, value, TTL, purpose, True)


def spf_value(facts: Facts) -> str:
    """The SPF record of a domain that nobody else sends for."""
    # mx, because whatever host the domain's mail goes to is ours: one look-up, and a new hostname or address of the
    # node needs no change here. ~all, because with -all some servers refuse forwarded mail before they look at its
    # DKIM signature (RFC 7489 §10.1); mail that fails is dealt with by the DMARC policy all the same.
    relays = [f"include:{facts.relay_include}"] if facts.relay_include else _by_host(facts.relay_hosts)
    return " ".join(["v=spf1", "mx", *relays, "~all"])


def _by_host(hosts: Iterable[str]) -> list[str]:
    """Mechanisms for relays of unknown providers: their hosts, as far as the world can know these."""
    terms = (_host_term(host.lower().rstrip(".")) for host in hosts)
    return list(dict.fromkeys(term for term in terms if term))


def _host_term(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return f"a:{host}" if "." in host else ""
    return f"ip{address.version}:{address}" if address.is_global else ""


def _spf(facts: Facts) -> Record:
    who = "this node"
    if facts.relay_include:
        who += f" and {PROVIDERS.get(facts.relay_include, facts.relay_include)}"
    elif facts.relay_hosts:
        who += " and the relay"
    purpose = f"Says that {who} may send mail for {facts.domain}, and that mail from elsewhere is suspect."
    return Record("spf", "TXT", facts.domain, spf_value(facts), TTL, purpose, True)


def dkim_value(public_key: str) -> str:
    """The record of a public key (base64 of SubjectPublicKeyInfo); empty without one: an empty ``p=`` revokes.

    An Ed25519 key may also come as its bare 32 bytes, which is how it is published.
    """
    if not public_key:
        return ""
    bare = _ed25519(public_key)
    return f"v=DKIM1; k=ed25519; p={bare}" if bare else f"v=DKIM1; k=rsa; p={public_key}"


def _ed25519(public_key: str) -> str:
    """The bare key in base64 (RFC 8463 §4.2); empty for any other kind of key."""
    try:
        key = base64.b64decode(public_key, validate=True)
    except binascii.Error:
        return ""
    # RFC 8410 §4: what stands before the 32 bytes in an Ed25519 SubjectPublicKeyInfo.
    key = key.removeprefix(bytes.fromhex("302a300506032b6570032100"))
    return base64.b64encode(key).decode("ascii") if len(key) == 32 else ""


def dkim_name(selector: str, domain: str) -> str:
    """Where verifiers look for the key of a selector."""
    return f"{selector}._domainkey.{domain}"


def _dkim(facts: Facts) -> Record:
    purpose = (
        f"Holds the public key by which other mail servers verify the signature on mail from {facts.domain}."
    )
    name = dkim_name(facts.selector, facts.domain)
    return Record("dkim", "TXT", name, dkim_value(facts.dkim_public_key), TTL, purpose, True)


def _dmarc(facts: Facts) -> Record:
    reports = reports_to(facts.domain)
    purpose = (
        f"Asks others to put mail that falsely claims to be from {facts.domain} into spam, and to report to {reports}, "
        "which should be a mailbox or an alias."
    )
    value = f"v=DMARC1; p=quarantine; rua=mailto:{reports}"
    return Record("dmarc", "TXT", f"_dmarc.{facts.domain}", value, TTL, purpose, True)


def reports_to(domain: str) -> str:
    """The address for a domain's reports."""
    # The one address that every mail domain has to have (RFC 5321 §4.5.1). One of another domain would need that
    # domain's consent in DNS (RFC 7489 §7.1).
    return f"postmaster@{domain}"


# --- the recommended ones ----------------------------------------------------------------------------------
def recommended(facts: Facts) -> tuple[Record, ...]:
    """What makes mail arrive more surely, and mail programs find their servers by themselves.

    Raises:
        ValueError: one of the addresses is none.
    """
    keys = tuple(_other_key(facts, selector, key) for selector, key in facts.extra_keys)
    if not facts.hostname:
        return (*keys, _tls_rpt(facts))
    return (
        *_host(facts), *keys, *_mta_sts(facts), _tls_rpt(facts), *_autoconfig(facts), *_srv(facts), *_tlsa(facts)
    )  # fmt: skip


def _optional(record_id: str, type_: str, name: str, value: str, purpose: str) -> Record:
    return Record(record_id, type_, name, value, TTL, purpose, False)


def _numbered(record_id: str, values: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(id, value) of each, once: ``host_a``, ``host_a_2``, …"""
    for number, value in enumerate(dict.fromkeys(values), 1):
        yield (record_id if number == 1 else f"{record_id}_{number}"), value


def _host(facts: Facts) -> Iterator[Record]:
    addresses = [ipaddress.ip_address(text) for text in dict.fromkeys(facts.addresses)]
    purpose = f"The address of {facts.hostname}, where other mail servers and mail programs connect."
    for record_id, type_, version in (("host_a", "A", 4), ("host_aaaa", "AAAA", 6)):
        for each, value in _numbered(record_id, (str(one) for one in addresses if one.version == version)):
            yield _optional(each, type_, facts.hostname, value, purpose)
    for each, text in _numbered("ptr", map(str, addresses)):
        purpose = (
            f"The name of {text}, without which large providers refuse its mail; the provider of the address "
            "sets it, not the registrar."
        )
        pointer = ipaddress.ip_address(text).reverse_pointer
        yield _optional(each, "PTR", pointer, f"{facts.hostname}.", purpose)


def _other_key(facts: Facts, selector: str, key: str) -> Record:
    purpose = (
        "Another DKIM key of this domain: one that is to sign, or one that signed mail still on its way."
    )
    if _ed25519(key):
        purpose = "Holds the Ed25519 key of the second signature, for servers that know it."
    name = dkim_name(selector, facts.domain)
    return _optional(f"dkim_{selector}", "TXT", name, dkim_value(key), purpose)


def _alias(facts: Facts, record_id: str, label: str, purpose: str) -> Iterator[Record]:
    """A CNAME to the hostname, unless that is its own name."""
    name = f"{label}.{facts.domain}"
    if name != facts.hostname:
        yield _optional(record_id, "CNAME", name, f"{facts.hostname}.", purpose)


def _mta_sts(facts: Facts) -> Iterator[Record]:
    if not facts.mta_sts:
        return
    purpose = "Where other mail servers fetch the MTA-STS policy, which this node serves over HTTPS."
    yield from _alias(facts, "mta_sts_host", "mta-sts", purpose)
    purpose = f"Tells other mail servers that {facts.domain} has an MTA-STS policy, and when it has changed."
    value = f"v=STSv1; id={facts.mta_sts}"
    yield _optional("mta_sts", "TXT", mta_sts_name(facts.domain), value, purpose)


def mta_sts_name(domain: str) -> str:
    """Where others look whether a domain has a policy (RFC 8461 §3.1)."""
    return f"_mta-sts.{domain}"


def mta_sts_policy(
    hostname: str, *, mode: Literal["enforce", "testing", "none"], max_age: int = 604_800
) -> str:
    """What stands at ``https://mta-sts.<domain>/.well-known/mta-sts.txt`` (RFC 8461 §3.2)."""
    return f"version: STSv1\nmode: {mode}\nmx: {hostname}\nmax_age: {max_age}\n"


def served_policy(hostname: str, option: str) -> str:
    """The policy by the operator's choice: ``testing``, ``enforce``, or ``off``; empty: none is served."""
    if not hostname or option not in ("testing", "enforce"):
        return ""
    return mta_sts_policy(hostname, mode="enforce" if option == "enforce" else "testing")


def mta_sts_id(policy: str) -> str:
    """An id for `Facts.mta_sts` that changes with the policy: at most 32 letters and digits."""
    return hashlib.sha256(policy.encode()).hexdigest()[:32]


def _tls_rpt(facts: Facts) -> Record:
    reports = reports_to(facts.domain)
    purpose = f"Asks other mail servers to report to {reports} when they cannot deliver over TLS."
    return _optional(
        "tls_rpt", "TXT", f"_smtp._tls.{facts.domain}", f"v=TLSRPTv1; rua=mailto:{reports}", purpose
    )


def _autoconfig(facts: Facts) -> Iterator[Record]:
    if not facts.autoconfig:
        return
    purpose = "Lets Thunderbird and its relatives find the servers from the address alone."
    yield from _alias(facts, "autoconfig", "autoconfig", purpose)
    purpose = "Lets Outlook find the servers from the address alone."
    yield from _alias(facts, "autodiscover", "autodiscover", purpose)
    purpose = "Lets Outlook find the servers where the autodiscover name is not there."
    value = f"0 1 443 {facts.hostname}."
    yield _optional("srv_autodiscover", "SRV", f"_autodiscover._tcp.{facts.domain}", value, purpose)


def _srv(facts: Facts) -> Iterator[Record]:
    # Priorities count across services of a kind (RFC 6186 §3.4), and TLS from the first byte is to be preferred
    # (RFC 8314 §3).
    ports = facts.ports
    for service, priority, port, what in (
        ("submissions", 0, ports.submissions, "outgoing mail over TLS"),
        ("submission", 10, ports.submission, "outgoing mail over STARTTLS"),
        ("imaps", 0, ports.imaps, "the mailboxes over TLS"),
        ("imap", 10, ports.imap, "the mailboxes over STARTTLS"),
    ):
        purpose = f"Tells mail programs the server and port for {what}."
        value = f"{priority} 1 {port} {facts.hostname}."
        yield _optional(f"srv_{service}", "SRV", f"_{service}._tcp.{facts.domain}", value, purpose)


def _tlsa(facts: Facts) -> Iterator[Record]:
    # In an unsigned zone nobody heeds it (RFC 7672 §2.2).
    purpose = (
        "Pins the key of the certificate on port 25, so that nobody can pose as this node (DANE). Another key needs "
        "another record, and that first: let renewed certificates keep their key."
    )
    for each, value in _numbered("tlsa_25", facts.tlsa if facts.signed else ()):
        yield _optional(each, "TLSA", f"_25._tcp.{facts.hostname}", value, purpose)
