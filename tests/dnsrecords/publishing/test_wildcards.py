"""Publishing in zones with wildcards, and with names that lie elsewhere, at real primaries of three makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dnsrecords.models import Publisher
from dnsrecords.publishing import publish as publishing
from dnsrecords.publishing.plan import Plan
from dnsrecords.publishing.services import Change, PublishFailed, ZoneChanged
from dnsrecords.publishing.services.reach import Reach
from dnsrecords.publishing.services.rfc2136 import Rfc2136, Tsig
from mailboxes.provisioning import domains
from tests.mailboxes import factories
from tests.rig import or_skip
from tests.rig.bind import Bind
from tests.rig.primaries import Knot, PowerDns, Primary

pytestmark = [pytest.mark.real, pytest.mark.django_db]

#: Zone → its lines. A wildcard is not at the names that it answers for (RFC 4592 §2.2.1).
WILDCARDS = {
    "texts.test": ['* TXT "v=spf1 -all"'],
    "policy.test": ['* TXT "v=DMARC1; p=reject"'],
    "aliases.test": ["* CNAME @"],
    "far.test": ["* CNAME parked.elsewhere.example."],
    "every.test": ["* A 192.0.2.80", '* TXT "any"', "* MX 5 old.elsewhere.example.", "* SRV 0 0 1 old"],
    "below.test": ['*._domainkey TXT "v=DKIM1; p="', "*._tcp CNAME @", '*._dmarc TXT "x"'],
    # Between the zone and these names there are names that have no records of their own (§2.2.2).
    "between.test": ['* TXT "v=spf1 -all"', 'old._domainkey TXT "v=DKIM1; p="', '_other._tcp TXT "x"'],
    "chain.test": ["* CNAME there", "there CNAME further", 'further TXT "v=spf1 -all"'],
    "literal.test": ['* TXT "v=spf1 -all"', '_dmarc TXT "v=spf1 -all"'],
    "right.test": ["* CNAME mail.node.test."],
    "parent.test": ["* A 192.0.2.80", "* MX 10 mail.node.test.", '* TXT "v=spf1 ip4:198.51.100.7 -all"'],
    "host.test": ["* A 192.0.2.80", "* AAAA 2001:db8::80"],
    "stuck.test": [],
    "cut.test": ["_domainkey NS ns.vendor.example."],
    "dname.test": ["_tcp DNAME services.vendor.example."],
    "spelt.test": [],
    "beside.test": [
        'autoconfig CAA 0 issue "ca.example"',
        "autodiscover HTTPS 1 . alpn=h2",
        "mta-sts SRV 0 0 1 x",
    ],
    "nullmx.test": ["@ MX 0 ."],
    "ttl.test": ['@ 86400 TXT "verification=abc"'],
}


@pytest.fixture(scope="module", params=[Bind, Knot, PowerDns])
def primary(request: pytest.FixtureRequest) -> Iterator[Bind | Primary]:
    with or_skip(lambda: request.param(WILDCARDS)) as running:
        yield running


@pytest.fixture
def node(primary: Bind | Primary, settings: Any) -> Bind | Primary:
    """The primary; the node's hostname is in no zone of its."""
    settings.QUAZZAR_DNS_RESOLVERS = [primary.address]
    settings.QUAZZAR_PUBLIC_ADDRESSES = []
    factories.stack(hostname="mail.node.test")
    return primary


def published(primary: Bind | Primary, name: str, *, replace: bool = False, zone: str = "") -> Plan:
    domain = domains.add_domain(name)
    fields = {"server": primary.host, "port": primary.port, "key_name": primary.key_name, "zone": zone}
    publishing.set_up(domain.pk, {**fields, "secret": primary.secret})
    return publishing.publish(domain, replace=replace)


def test_what_a_wildcard_answers_is_neither_in_the_way_nor_a_prerequisite(node: Bind | Primary) -> None:
    for zone in ("texts", "policy", "aliases", "far", "every", "below", "between", "chain", "right"):
        before = node.records(f"{zone}.test")
        plan = published(node, f"{zone}.test")
        assert (plan.conflicts, plan.removed, plan.unchanged) == ((), (), 0), zone
        after = node.records(f"{zone}.test")
        assert before < after, zone
        labels = {line.split(" ")[0] for line in after - before}
        assert {"@", "_dmarc", "quazzar._domainkey", "_imaps._tcp", "autoconfig"} <= labels, zone
        assert len(after - before) == len(plan.added) > 10, zone


def test_a_second_time_nothing_is_changed(node: Bind | Primary) -> None:
    published(node, "texts.test")
    before = node.records("texts.test")
    (domain,) = [publisher.domain for publisher in Publisher.objects.select_related("domain")]
    assert publishing.publish(domain).changes == ()
    assert node.records("texts.test") == before


def test_a_record_that_reads_like_the_wildcard_is_still_in_the_way(node: Bind | Primary) -> None:
    plan = published(node, "literal.test")
    assert plan.conflicts == ()  # a text that is no policy harms none
    assert {'_dmarc TXT "v=spf1 -all"', '* TXT "v=spf1 -all"'} <= node.records("literal.test")


def test_what_the_name_had_by_a_wildcard_it_keeps(node: Bind | Primary) -> None:
    plan = published(node, "mail1.parent.test", zone="parent.test")
    assert plan.conflicts == ()
    texts = {line for line in node.records("parent.test") if line.startswith("mail1 ")}
    # MX was right by the wildcard, which ends there now; SPF keeps whom it authorised; the web site stays.
    assert texts == {
        "mail1 MX 10 mail.node.test.",
        'mail1 TXT "v=spf1 ip4:198.51.100.7 mx -all"',
        "mail1 A 192.0.2.80",
    }
    assert ("mail1.parent.test", "A", "192.0.2.80") in plan.added


def test_a_host_keeps_the_addresses_that_a_wildcard_gives_it(node: Bind | Primary, settings: Any) -> None:
    factories.stack(hostname="mx.host.test")
    settings.QUAZZAR_PUBLIC_ADDRESSES = ["192.0.2.25", "2001:db8::25"]
    published(node, "host.test")
    assert {line for line in node.records("host.test") if line.startswith("mx ")} == {
        "mx A 192.0.2.25",
        "mx AAAA 2001:db8::80",
    }


def test_a_condition_that_fails_on_the_same_answers_is_nobody_elses_change(
    node: Bind | Primary, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def refused(*_: Any) -> None:
        tries.append(1)
        raise ZoneChanged

    monkeypatch.setattr(Rfc2136, "apply", refused)
    with pytest.raises(PublishFailed) as failed:
        published(node, "stuck.test")
    assert (failed.value.code, len(tries)) == ("update_not_as_answered", 2)
    assert "somebody else" not in failed.value.message


def test_names_that_lie_in_another_zone_are_conflicts_of_their_own(node: Bind | Primary) -> None:
    before = node.records("cut.test")
    plan = published(node, "cut.test", replace=True)
    (conflict,) = plan.conflicts
    assert conflict.name == "quazzar._domainkey.cut.test" and conflict.found == ("ns.vendor.example",)
    assert "_domainkey.cut.test is delegated to other name servers, to ns.vendor.example" in conflict.message
    assert before < node.records("cut.test")


def test_names_below_a_dname_record_are_conflicts_of_their_own(node: Bind | Primary) -> None:
    plan = published(node, "dname.test", replace=True)
    assert len(plan.conflicts) == 5 and all("._tcp." in conflict.name for conflict in plan.conflicts)
    assert "the DNAME record at _tcp.dname.test leads elsewhere" in plan.conflicts[0].message
    assert not any("._tcp TXT" in line or "._tcp SRV" in line for line in node.records("dname.test"))


def test_what_a_server_drops_without_a_word_is_a_conflict(node: Bind | Primary) -> None:
    plan = published(node, "beside.test", replace=True)
    names = {"autoconfig.beside.test", "autodiscover.beside.test", "mta-sts.beside.test"}
    assert {conflict.name for conflict in plan.conflicts} == names
    assert not any(" CNAME " in line for line in node.records("beside.test"))
    assert not any(type_ == "CNAME" for _, type_, _ in plan.added)


def test_the_same_in_another_spelling_is_the_same(node: Bind | Primary) -> None:
    added = {(name, type_): value for name, type_, value in published(node, "spelt.test").added}
    key = added["quazzar._domainkey.spelt.test", "TXT"]
    service = Rfc2136(
        node.host,
        node.port,
        "Spelt.Test.",
        Tsig(node.key_name, node.algorithm, node.secret),
        Reach.from_settings(),
    )
    old = {
        question: tuple(entry.raw for entry in entries) for question, entries in service.read(added).items()
    }
    # Names in capital letters, and the text cut elsewhere, in three strings.
    spelt = {
        ("SPELT.test", "MX"): "10 MAIL.Node.Test.",
        ("Quazzar._DOMAINKEY.Spelt.Test", "TXT"): f'"{key[:30]}" "{key[30:200]}" "{key[200:]}"',
        ("_IMAPS._tcp.spelt.test", "SRV"): "0 1 993 Mail.NODE.test.",
    }
    service.apply(
        [
            Change(name, type_, 300, old[name.lower(), type_], old[name.lower(), type_], (value,))
            for (name, type_), value in spelt.items()
        ]
    )
    (publisher,) = Publisher.objects.select_related("domain")
    again = publishing.publish(publisher.domain)
    assert (again.changes, again.conflicts) == ((), ())


def test_a_null_mx_is_shown_as_a_zone_file_has_it(node: Bind | Primary) -> None:
    (conflict,) = published(node, "nullmx.test").conflicts
    assert "nullmx.test has 0 ., which Quazzar did not publish" in conflict.message


def test_texts_beside_ours_keep_their_ttl(node: Bind | Primary) -> None:
    plan = published(node, "ttl.test")
    ttls = {change.name: change.ttl for change in plan.changes if change.type == "TXT"}
    assert (ttls["ttl.test"], ttls["_dmarc.ttl.test"]) == (86400, 3600)
