"""DNS: what zones, name servers and policy hosts of strangers answer, and what we write for zones."""

from __future__ import annotations

import dns.exception
import dns.message
import dns.zone

from dnsrecords import names
from dnsrecords.answers import Answer, Outcome
from dnsrecords.dkim import judge as dkimjudge
from dnsrecords.dkim import keys as dkimkeys
from dnsrecords.dmarc import judge as dmarcjudge
from dnsrecords.dmarc import policy as dmarc
from dnsrecords.kinds import hosts, mx
from dnsrecords.lookup import addresses, packets, wire
from dnsrecords.mtasts import body, fetch
from dnsrecords.mtasts import policy as mtasts
from dnsrecords.records import dane, zonefile
from dnsrecords.records.record import Record
from dnsrecords.spf import evaluate, macros, repair, terms, words
from dnsrecords.spf import judge as spfjudge
from dnsrecords.text import mistakes, reportaddresses, strings, taglists, versioned
from tests.dnsrecords.mistakes import facts_of, record_of
from tests.dnsrecords.spfzones import RFC_ZONE, lookup_in
from tests.dnsrecords.zonelookups import nothing
from tests.fuzz.target import parts, target, text

SPF = (
    "v=spf1 mx include:_spf.google.com ip4:192.0.2.0/24 ~all",
    "v=spf1 a:%{i}._spf.%{d2} exists:%{l1r+}.x redirect=example.org",
    'V=SPF1 +MX, "ip4 192.0.2.1" -ALL',
)
DKIM = ("v=DKIM1; k=rsa; p=MIIBIjAN", "v=DKIM1; h=sha256 : sha1; n=a note; p=; s=email:*; t=y:s")
DMARC = (
    "v=DMARC1; p=reject; rua=mailto:a@example.com!10m,mailto:b@example.org; pct=50; fo=1",
    "v=DMARC1;p=none;sp=x",
)
POLICY = "version: STSv1\r\nmode: enforce\r\nmx: *.example.com\r\nmax_age: 604800\r\n"
QUERY = dns.message.make_query("example.com", "TXT")
ANSWER = dns.message.make_response(QUERY)
ANSWER.answer.append(dns.rrset.from_text("example.com.", 300, "IN", "TXT", '"v=spf1 mx ~all" "x"'))


def published(data: bytes) -> str:
    """Text from DNS: bytes as Latin-1."""
    return data.decode("latin-1")


@target(*SPF)
def spf(data: bytes) -> None:
    """A record of a stranger is read, corrected and judged; what is advised has no errors and stays as it is."""
    given = published(data)
    record = terms.parse(given)
    if terms.is_record(given) and not record.errors:
        assert terms.parse(terms.render(record)).terms == record.terms
    reading = repair.read(given)
    assert all(terms.parse_term(str(term)) for term in reading.terms)
    texts = (given, *(["v=spf1 mx ~all"] if len(data) % 2 else []))
    found = spfjudge.judge(
        "example.com", texts, lookup_in(RFC_ZONE), wanted="v=spf1 mx ~all", own_ips=["192.0.2.10"]
    )
    assert found.ok or found.message.endswith(".")
    assert not terms.parse(found.advice or "v=spf1 ~all").errors
    assert found.message.isprintable()


@target("%{ir}.%{v}._spf.%{d2}", "%{l-}", "%%%_%-", "%{z}", "mx/24//64", "ip4=1.2.3.4,ip6:::1")
def spf_word(data: bytes) -> None:
    """A word of a record."""
    given = published(data)
    if macros.is_macro_string(given):
        macros.letters(given)
        macros.expand(given, lambda letter: "x")
    words.read(given)
    words.split(given)
    terms.address_of(given)
    repair.meant(given)


@target(b"v=spf1 include:example.org ~all\xffv=spf1 redirect=example.com", b"v=spf1 exists:%{s}\xff")
def spf_evaluation(data: bytes) -> None:
    """Two records that may lead to each other end within the limits of RFC 7208."""
    first, second = (published(part) for part in [*data.split(b"\xff"), b""][:2])
    lookup = lookup_in(RFC_ZONE, {"example.com TXT": first, "example.org TXT": second})
    found = evaluate.evaluate("example.com", "192.0.2.65", "a@example.com", "mx", lookup)
    assert found.lookups <= 11 and found.voids <= 3
    assert evaluate.cost("example.com", lookup).lookups < 1000


@target(*DKIM)
def dkim(data: bytes) -> None:
    """A key record is read and compared; the sentence is in plain characters."""
    given = published(data)
    dkimjudge.parse(given)
    record = record_of(facts_of(key="MIIBIjAN"), "dkim")
    found = dkimjudge.judge(record, Answer(record.name, "TXT", Outcome.FOUND, (given,)))
    assert found.ok or found.message.endswith(".")
    assert found.message.isprintable()
    dkimkeys.is_private(given)
    dkimkeys.difference("MIIBIjAN", given)


@target(*DMARC)
def dmarc_record(data: bytes) -> None:
    """A policy is read and judged; what is advised is a policy."""
    given = published(data)
    record = dmarc.parse(given)
    dmarc.as_meant(given)
    dmarc.cleaned(record)
    assert dmarc.is_policy(dmarc.with_policy(record, "reject"))
    if dmarc.is_policy(given):
        assert "mailto:x@example.com" in dmarc.with_reports(given, "x@example.com")
    answer = Answer("_dmarc.example.com", "TXT", Outcome.FOUND, (given,))
    found = dmarcjudge.judge("example.com", answer, nothing, wanted="v=DMARC1; p=quarantine")
    assert found.ok or found.message.endswith(".")
    assert found.message.isprintable()
    for question in dmarcjudge.questions("example.com", [given]):
        assert question[0]


@target("mailto:a@b.c!10m, https://x.example/y?z", "mailto:%61@b.c", ",,")
def report_address(data: bytes) -> None:
    """Addresses of reports."""
    for each in reportaddresses.read(published(data), sizes=True):
        assert str(each) is not None


@target("v=STSv1; id=20260101T000000;", "v=TLSRPTv1; rua=mailto:a@b.c", ";=;")
def versioned_record(data: bytes) -> None:
    """Records of MTA-STS and TLS-RPT."""
    versioned.parse(published(data), "id")
    versioned.parse(published(data), "rua", several=True)


@target("v=x; a=b; A = c ;;", "p=A A\t=", "a=1;a=2")
def tag_list(data: bytes) -> None:
    """Tag lists of DKIM and DMARC, and how strangers' text is quoted."""
    given = published(data)
    for any_case in (False, True):
        taglists.parse(given, any_case=any_case)
    assert taglists.shown(given).isprintable()
    assert taglists.printable(given).isprintable()
    mistakes.mistake(given, "v=spf1")
    mistakes.typed(given)


@target(POLICY, "version: STSv1\nmode: none\nmax_age: 1")
def mta_sts_policy(data: bytes) -> None:
    """A policy of a stranger is read as senders read it."""
    found = body.parse(text(data))
    assert found.fault or found.mode in body.MODES
    found.covers("mail.example.com")
    assert found.fault.isprintable()


@target(
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + POLICY.encode(),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nversi\r\n0\r\n\r\n",
    b"HTTP/1.1 301 x\r\n\r\n",
)
def mta_sts_answer(data: bytes) -> None:
    """What the policy's host sends back becomes a verdict."""
    fetched = fetch._parsed(data)
    _, sentence = mtasts.judge("example.com", "mail.example.com", "x", fetched)
    mtasts.judge_left_over("example.com", "mail.example.com", fetched)
    assert sentence.isprintable()


@target("3 1 1 " + "ab" * 32, "2 0 2 " + "cd" * 64, "3 1 1 zz")
def tlsa_record(data: bytes) -> None:
    """A TLSA record."""
    pin = dane.read(published(data))
    assert len(dane.strongest([pin])) == (not pin.unusable)


@target("10 mail.example.com", "0 .", "x y z")
def mx_record(data: bytes) -> None:
    """An MX record, and addresses and names that are compared."""
    given = published(data)
    mx.parse(given)
    mx.exchanges([given, given])
    hosts.normal_address(given)
    hosts.normal_name(given)
    names.relative_name(given, "example.com")


@target(ANSWER.to_wire(), QUERY.to_wire(), refuses=(dns.exception.DNSException, ValueError, EOFError))
def dns_answer(data: bytes) -> None:
    """A packet of a name server that dnspython reads becomes an answer."""
    message = dns.message.from_wire(data, ignore_trailing=True, one_rr_per_rrset=False)
    for kind in ("TXT", "MX", "A", "CNAME", "SRV", "TLSA", "NS"):
        found = wire.answer(message, "example.com", kind)
        assert all(isinstance(value, str) for value in found.values)
    wire.zone_of(message)


@target(ANSWER.to_wire(), QUERY.to_wire(), refuses=(packets.UnusualError,))
def dns_packet(data: bytes) -> None:
    """What our own reader takes, dnspython takes too, and reads in the same way."""
    reply = packets.Reply(data)
    message = dns.message.from_wire(data)
    assert (reply.rcode, reply.flags, reply.zone()) == (message.rcode(), message.flags, wire.zone_of(message))
    for kind in ("TXT", "MX", "A", "CNAME", "SRV", "TLSA", "NS", "SOA"):
        assert wire.Packet(reply).answer("example.com", kind) == wire.answer(message, "example.com", kind)


@target("192.0.2.1:53", "[2001:db8::1]:5353", "ns.example.com", refuses=(ValueError,))
def resolver_address(data: bytes) -> None:
    """An address of a name server."""
    addresses.parse(text(data))


@target("v=spf1 mx ~all", 'a"b\\c\xffd', refuses=(ValueError,))
def txt_value(data: bytes) -> None:
    """A TXT value, written for a zone file, is read back as the same bytes and stays in its line."""
    value = published(data)
    line = strings.quoted(value)
    assert line.isascii() and line.isprintable()
    zone = dns.zone.from_text(
        f"$ORIGIN example.com.\n$TTL 60\n@ IN SOA a b 1 1 1 1 1\n@ IN NS a\n@ IN TXT {line}\n"
    )
    assert b"".join(zone.find_rdataset("@", "TXT")[0].strings) == data


@target(b"www.example.com\xffTXT\xffhello\xffwhat it is for", b"a b\xffMX\xff10 x\xff", refuses=(ValueError,))
def zone_file(data: bytes) -> None:
    """A record of any texts adds itself to the zone file and nothing else, or is refused."""
    name, type_, value, purpose = parts(data, 4)
    type_ = type_ if type_ in ("TXT", "MX", "A", "CNAME", "SRV", "TLSA", "PTR") else "TXT"
    record = Record("x", "x", type_, name, value, purpose)
    whole = zonefile.render("example.com", [record], serial=1)
    zone = dns.zone.from_text(whole, relativize=False)
    found = [(str(owner), rdataset) for owner, rdataset in zone.iterate_rdatasets()]
    assert len(found) <= 3, whole
    assert len(whole.splitlines()) <= 16
