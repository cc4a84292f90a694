"""Ways to publish the four records wrongly, each with what the check has to say: for answers and for real servers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dnsrecords.kinds.registry import wanted
from dnsrecords.records.facts import Facts
from dnsrecords.records.record import Record
from dnsrecords.text.strings import quoted
from dnsrecords.verdicts import Status

Lines = Callable[[Facts], Sequence[str]]


@dataclass(frozen=True)
class Mistake:
    """A way to get one record wrong, while the others are right.

    Attributes:
        lines: of the zone, in place of the record's own; names are absolute.
        words: what the sentence has to contain; ``{domain}`` and ``{hostname}`` are filled in.
    """

    name: str
    record_id: str
    lines: Lines
    status: Status
    words: tuple[str, ...]


# --- zones -------------------------------------------------------------------------------------------------
@cache
def key_pair(number: int = 1) -> tuple[str, str]:
    """(public, private) key in base64; the same for the same number within a run."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(public).decode(), base64.b64encode(private).decode()


def facts_of(domain: str = "example.com", address: str = "192.0.2.1", key: str = "") -> Facts:
    """A domain whose node is ``mail.<domain>``."""
    return Facts(domain, f"mail.{domain}", dkim_public_key=key or key_pair()[0], addresses=(address,))


def line(name: str, type_: str, value: str, ttl: int = 300) -> str:
    return f"{name}. {ttl} IN {type_} {value}"


def text(name: str, value: str) -> str:
    return line(name, "TXT", quoted(value))


def record_line(record: Record) -> str:
    """A record as it has to be."""
    return (
        text(record.name, record.value)
        if record.type == "TXT"
        else line(record.name, record.type, record.value)
    )


def host_lines(facts: Facts) -> list[str]:
    """The hostname's own addresses."""
    return address_lines(facts.hostname, facts)


def address_lines(host: str, facts: Facts) -> list[str]:
    """The node's addresses, at a name."""
    return [line(host, "AAAA" if ":" in address else "A", address) for address in facts.addresses]


def zone_lines(facts: Facts, mistake: Mistake | None = None) -> list[str]:
    """All lines but SOA and NS: the four records, one of them as the mistake has it, and the hostname."""
    wrong = list(mistake.lines(facts)) if mistake else []
    without = mistake.record_id if mistake else ""
    right = [record_line(record) for record in required(facts) if record.id != without]
    names = {written.split(" ")[0] for written in wrong}
    hosts = [written for written in host_lines(facts) if written.split(" ")[0] not in names]
    return [*right, *wrong, *hosts]


def required(facts: Facts) -> tuple[Record, ...]:
    """The four records that mail depends on."""
    return tuple(record for record in wanted(facts) if record.required)


def record_of(facts: Facts, record_id: str) -> Record:
    return next(record for record in wanted(facts) if record.id == record_id)


def _value(facts: Facts, record_id: str) -> str:
    return record_of(facts, record_id).value


def _dkim(value: Callable[[Facts], str]) -> Lines:
    """The DKIM record with another value."""
    return lambda facts: [text(record_of(facts, "dkim").name, value(facts))]


def _dmarc(*values: str) -> Lines:
    return lambda facts: [text(f"_dmarc.{facts.domain}", value) for value in values]


def _spf(*values: str) -> Lines:
    return lambda facts: [text(facts.domain, _filled(value, facts)) for value in values]


def _mx(*values: str) -> Lines:
    return lambda facts: [line(facts.domain, "MX", _filled(value, facts)) for value in values]


def _filled(template: str, facts: Facts) -> str:
    return template.format(domain=facts.domain, hostname=facts.hostname)


def _at(prefix: str, record_id: str, suffix: str = "") -> Lines:
    """The right text under a wrong name."""
    return lambda facts: [text(_filled(f"{prefix}{{domain}}{suffix}", facts), _value(facts, record_id))]


def _none(_: Facts) -> Sequence[str]:
    return ()


# --- MX ----------------------------------------------------------------------------------------------------
def _mx_at_an_alias(facts: Facts) -> Sequence[str]:
    real = f"node.{facts.domain}"
    return [
        line(facts.domain, "MX", f"10 {facts.hostname}."),
        line(facts.hostname, "CNAME", f"{real}."),
        *address_lines(real, facts),
    ]


MISSING, MISMATCH = Status.MISSING, Status.MISMATCH
_MX = (
    Mistake("mx is not there", "mx", _none, MISSING, ("no MX record", "Add the MX")),
    Mistake("mx is an address", "mx", _mx("10 192.0.2.1."), MISMATCH,
            ("address 192.0.2.1", "Replace it with {hostname}")),
    Mistake("mx is an address below the domain", "mx", _mx("10 192.0.2.1.{domain}."), MISMATCH, ("address 192.0.2.1",)),
    Mistake("mx lacks its final dot", "mx", _mx("10 {hostname}.{domain}."), MISMATCH,
            ("appended", "Write {hostname}. with a dot")),
    Mistake("mx points to an alias", "mx", _mx_at_an_alias, MISMATCH, ("CNAME to node.{domain}", "A and AAAA")),
    Mistake("mx points elsewhere", "mx", _mx("10 mx.old.example."), MISMATCH, ("goes to mx.old.example", "replace it")),
    Mistake("mx comes after another", "mx", _mx("10 {hostname}.", "5 mx.old.example."), MISMATCH,
            ("mx.old.example first", "lowest number")),
    Mistake("mx stands beside another", "mx", _mx("10 {hostname}.", "10 mx.old.example."), MISMATCH,
            ("same number", "higher number")),
    Mistake("mx is null", "mx", _mx("0 ."), MISMATCH, ("accepts no mail at all", "Replace")),
    Mistake("mx is below the domain twice", "mx",
            lambda facts: [line(f"{facts.domain}.{facts.domain}", "MX", f"10 {facts.hostname}.")], MISSING,
            ("{domain}.{domain}", "Enter only @")),
)  # fmt: skip


# --- SPF ---------------------------------------------------------------------------------------------------
def _eleven_lookups(facts: Facts) -> Sequence[str]:
    others = [f"s{number}.{facts.domain}" for number in range(11)]
    terms = " ".join(f"include:{other}" for other in others)
    return [text(facts.domain, f"v=spf1 mx {terms} ~all"), *(text(other, "v=spf1 -all") for other in others)]


_SPF = (
    Mistake("spf is not there", "spf", _spf("google-site-verification=abc"), MISSING, ("SPF",)),
    Mistake("spf is there twice", "spf", _spf("v=spf1 mx ~all", "v=spf1 a -all"), MISMATCH, ("2 SPF records",)),
    Mistake("spf leaves this node out", "spf", _spf("v=spf1 ip4:198.51.100.7 -all"), MISMATCH,
            ("does not authorise", "Replace")),
    Mistake("spf lets everybody", "spf", _spf("v=spf1 mx +all"), MISMATCH, ("all",)),
    Mistake("spf asks too much", "spf", _eleven_lookups, MISMATCH, ("look-ups", "10")),
    Mistake("spf asks for what is not there", "spf",
            _spf("v=spf1 a:x.{domain} a:y.{domain} a:z.{domain} mx ~all"), MISMATCH, ("x.{domain}",)),
    Mistake("spf has a term that does not exist", "spf", _spf("v=spf1 mx ipv4:192.0.2.1 ~all"), MISMATCH, ("ipv4",)),
    Mistake("spf has commas", "spf", _spf("v=spf1, mx, ~all"), MISMATCH, ("v=spf1",)),
    Mistake("spf includes what has none", "spf", _spf("v=spf1 include:none.{domain} mx ~all"), MISMATCH,
            ("none.{domain}",)),
    Mistake("spf has quotes in it", "spf", _spf('"v=spf1 mx ~all"'), MISMATCH, ("without quotes",)),
    Mistake("spf starts with a space", "spf", _spf(" v=spf1 mx ~all"), MISMATCH, ("space",)),
    Mistake("spf is below the domain twice", "spf", _at("{domain}.", "spf"), MISSING, ("Enter only @",)),
)  # fmt: skip


# --- DKIM --------------------------------------------------------------------------------------------------
def _key(facts: Facts) -> str:
    return facts.dkim_public_key


def _dkim_twice(facts: Facts) -> Sequence[str]:
    name = record_of(facts, "dkim").name
    return [text(name, _value(facts, "dkim")), text(name, f"v=DKIM1; k=rsa; p={key_pair(2)[0]}")]


def _dkim_alias(facts: Facts) -> Sequence[str]:
    other = f"dkim.old.{facts.domain}"
    return [
        line(record_of(facts, "dkim").name, "CNAME", f"{other}."),
        text(other, f"v=DKIM1; k=rsa; p={key_pair(2)[0]}"),
    ]


_DKIM = (
    Mistake("dkim is not there", "dkim", _none, MISSING, ("No DKIM key", "Add the TXT")),
    Mistake("dkim is below the domain twice", "dkim", _at("quazzar._domainkey.{domain}.", "dkim"), MISSING,
            ("appends the domain", "Enter only quazzar._domainkey")),
    Mistake("dkim is at the domain itself", "dkim", _at("", "dkim"), MISSING, ("at {domain} instead", "Enter quazzar")),
    Mistake("dkim lacks _domainkey", "dkim", _at("quazzar.", "dkim"), MISSING, ("at quazzar.{domain} instead",)),
    Mistake("dkim is cut off", "dkim", _dkim(lambda facts: _value(facts, "dkim")[:255]), MISMATCH, ("cut off", "255")),
    Mistake("dkim is another key", "dkim", _dkim(lambda _: f"v=DKIM1; k=rsa; p={key_pair(2)[0]}"), MISMATCH,
            ("not the key this node signs with", "Replace")),
    Mistake("dkim lost its case", "dkim", _dkim(lambda facts: f"v=DKIM1; k=rsa; p={_key(facts).lower()}"), MISMATCH,
            ("upper and lower case",)),
    Mistake("dkim is damaged", "dkim",
            _dkim(lambda facts: f"v=DKIM1; k=rsa; p={_key(facts)[:200]}{_key(facts)[204:]}"), MISMATCH, ("damaged",)),
    Mistake("dkim is revoked", "dkim", _dkim(lambda _: "v=DKIM1; k=rsa; p="), MISMATCH, ("revoked",)),
    Mistake("dkim is the private key", "dkim", _dkim(lambda _: f"v=DKIM1; k=rsa; p={key_pair()[1]}"), MISMATCH,
            ("PRIVATE", "rotate")),
    Mistake("dkim has lines of a key file", "dkim",
            _dkim(lambda facts: f"v=DKIM1; p=-----BEGIN PUBLIC KEY-----{_key(facts)}-----END PUBLIC KEY-----"),
            MISMATCH, ("BEGIN and END",)),
    Mistake("dkim has no p", "dkim", _dkim(lambda facts: f"v=DKIM1; k=rsa; {_key(facts)}"), MISMATCH,
            ("the tag p=, which holds the key, is missing",)),
    Mistake("dkim has quotes in it", "dkim", _dkim(lambda facts: f'"{_value(facts, "dkim")}"'), MISMATCH,
            ("without quotes",)),
    Mistake("dkim has backslashes in it", "dkim", _dkim(lambda facts: _value(facts, "dkim").replace(";", "\\;")),
            MISMATCH, ("Backslashes",)),
    Mistake("dkim is there twice", "dkim", _dkim_twice, MISMATCH, ("2 TXT records", "Keep only")),
    Mistake("dkim is an alias to another's", "dkim", _dkim_alias, MISMATCH, ("CNAME to dkim.old.{domain}", "delete")),
    Mistake("dkim is being tested", "dkim", _dkim(lambda facts: f"v=DKIM1; t=y; p={_key(facts)}"), MISMATCH, ("t=y",)),
    Mistake("dkim is of another type", "dkim", _dkim(lambda facts: f"v=DKIM1; k=ed25519; p={_key(facts)}"), MISMATCH,
            ("k=ed25519", "rsa")),
    Mistake("dkim is not for mail", "dkim", _dkim(lambda facts: f"v=DKIM1; s=tlsrpt; p={_key(facts)}"), MISMATCH,
            ("not for mail",)),
    Mistake("dkim allows sha1 only", "dkim", _dkim(lambda facts: f"v=DKIM1; h=sha1; p={_key(facts)}"), MISMATCH,
            ("sha256",)),
    Mistake("dkim has a tag twice", "dkim", _dkim(lambda facts: f"v=DKIM1; k=rsa; k=rsa; p={_key(facts)}"), MISMATCH,
            ("k= appears twice",)),
    Mistake("dkim has another version", "dkim", _dkim(lambda facts: f"v=DKIM2; p={_key(facts)}"), MISMATCH, ("DKIM2",)),
    Mistake("dkim is some other text", "dkim", _dkim(lambda _: "hello"), MISMATCH, ("not a DKIM key",)),
)  # fmt: skip

# --- DMARC -------------------------------------------------------------------------------------------------
_DMARC = (
    Mistake("dmarc is not there", "dmarc", _none, MISSING, ("No DMARC policy", "Add the TXT")),
    Mistake("dmarc only watches", "dmarc", _dmarc("v=DMARC1; p=none"), MISMATCH,
            ("p=none", "none → quarantine → reject")),
    Mistake("dmarc is there twice", "dmarc", _dmarc("v=DMARC1; p=quarantine", "v=DMARC1; p=reject"), MISMATCH,
            ("2 DMARC policies", "Keep one")),
    Mistake("dmarc is at the domain itself", "dmarc", _at("", "dmarc"), MISSING,
            ("at {domain} instead", "Enter _dmarc")),
    Mistake("dmarc lacks its underscore", "dmarc", _at("dmarc.", "dmarc"), MISSING, ("at dmarc.{domain} instead",)),
    Mistake("dmarc is below the domain twice", "dmarc", _at("_dmarc.{domain}.", "dmarc"), MISSING,
            ("Enter only _dmarc",)),
    Mistake("dmarc lacks its semicolon", "dmarc", _dmarc("v=DMARC1 p=quarantine"), MISMATCH, ("semicolon",)),
    Mistake("dmarc has no such policy", "dmarc", _dmarc("v=DMARC1; p=quarantined"), MISMATCH, ("p=quarantined",)),
    Mistake("dmarc has no policy", "dmarc", _dmarc("v=DMARC1; rua=mailto:a@example.com"), MISMATCH, ("the tag p=",)),
    Mistake("dmarc has its version last", "dmarc", _dmarc("p=quarantine; v=DMARC1"), MISMATCH, ("come first",)),
    Mistake("dmarc is in lower case", "dmarc", _dmarc("v=dmarc1; p=quarantine"), MISMATCH, ("exactly like this",)),
    Mistake("dmarc spares a part", "dmarc", _dmarc("v=DMARC1; p=quarantine; pct=20"), MISMATCH, ("pct=20", "Delete")),
    Mistake("dmarc spares subdomains", "dmarc", _dmarc("v=DMARC1; p=reject; sp=none"), MISMATCH, ("sp=none", "Delete")),
    Mistake("dmarc has quotes in it", "dmarc", _dmarc('"v=DMARC1; p=quarantine"'), MISMATCH, ("without quotes",)),
    Mistake("dmarc is some other text", "dmarc", _dmarc("hello"), MISMATCH, ("not a DMARC policy",)),
)  # fmt: skip

MISTAKES = (*_MX, *_SPF, *_DKIM, *_DMARC)
