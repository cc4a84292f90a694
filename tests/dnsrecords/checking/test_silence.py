"""Name servers that are silent: only the records that they hold are affected, and nobody raises a false alarm."""

from __future__ import annotations

from typing import Any

import dns.message
import dns.query
import pytest

from dnsrecords.checking import check
from dnsrecords.kinds.registry import wanted
from dnsrecords.records.facts import Facts
from dnsrecords.verdicts import Status
from tests.dnsrecords.mistakes import key_pair, record_line
from tests.rig.lameserver import LameServer
from tests.rig.nameserver import Nameserver
from tests.tiers import fewer

#: Silent for everything below → the records that may not get their verdict. Each case has a domain, a host's zone,
#: addresses, an included record and a receiver of reports of its own.
CASES = {
    "{n}.51.198.in-addr.arpa": {"ptr"},
    "_tcp.case{n}.test": {"srv_autodiscover", "srv_submissions", "srv_submission", "srv_imaps", "srv_imap"},
    "_domainkey.case{n}.test": {"dkim"},
    "_dmarc.case{n}.test": {"dmarc"},
    "_tls.case{n}.test": {"tls_rpt"},
    "autoconfig.case{n}.test": {"autoconfig"},
    "_25._tcp.mail.node{n}.test": {"tlsa_25"},
    "a{n}.spf.test": {"spf"},
}
#: Those on whose answers only remarks depend, or several records.
SHARED = {
    "report{n}.test": set[str](),
    # Its address is what MX leads to, and what SPF has to authorise.
    "node{n}.test": {"mx", "spf", "host_a", "tlsa_25"},
}
ALL = CASES | SHARED
FEW = {"{n}.51.198.in-addr.arpa", "_dmarc.case{n}.test", "a{n}.spf.test"}


def silent_for(knot: Nameserver, names: set[str]) -> LameServer:
    """Resolver and name server in one: passes on to Knot what is not to be silent."""

    def reply(question: dns.message.Message, _: bool) -> bytes | None:
        name = question.question[0].name.to_text(omit_final_dot=True)
        if any(name == each or name.endswith(f".{each}") for each in names):
            return None
        return dns.query.udp(question, knot.host, timeout=5, port=knot.port).to_wire()

    return LameServer(reply)


def facts_of_case(number: int) -> Facts:
    return Facts(
        f"case{number}.test",
        f"mail.node{number}.test",
        dkim_public_key=key_pair()[0],
        addresses=(f"198.51.{number}.25",),
        autoconfig=True,
        signed=True,
        tlsa=("3 1 1 " + "ab" * 32,),
    )


def publish(knot: Nameserver, numbers: range) -> None:
    zones: dict[str, list[str]] = {"198.in-addr.arpa": [], "spf.test": []}
    for number in numbers:
        facts = facts_of_case(number)
        lines = {record.id: record_line(record) for record in wanted(facts)}
        lines["spf"] = f'{facts.domain}. TXT "v=spf1 mx include:a{number}.spf.test ~all"'
        lines["included"] = f'a{number}.spf.test. TXT "v=spf1 ip4:198.51.100.7 -all"'
        reports = f"x@report{number}.test"
        lines["dmarc"] = f'_dmarc.{facts.domain}. TXT "v=DMARC1; p=quarantine; rua=mailto:{reports}"'
        lines["consent"] = f'*._report._dmarc.report{number}.test. TXT "v=DMARC1"'
        for line in lines.values():
            name = line.split(" ")[0].removesuffix(".")
            zone = next((each for each in zones if name.endswith(each)), ".".join(name.split(".")[-2:]))
            zones.setdefault(zone, []).append(line)
    knot.publish_all(zones)


def statuses(number: int) -> dict[str, Status]:
    return {result.record.id: result.verdict.status for result in check.look(facts_of_case(number))}


@pytest.mark.real
@pytest.mark.long
def test_who_is_silent_costs_no_other_record_its_verdict(
    server: Nameserver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, range(len(ALL) + 1))
    names = {name.format(n=number): number for number, name in enumerate(ALL, 1)}
    with silent_for(server, set(names)) as everybody:
        settings.QUAZZAR_DNS_RESOLVERS = [everybody.address]
        monkeypatch.setattr(check, "PORT", everybody.port)
        right = statuses(0)
        assert {*right.values()} == {Status.OK}
        for number, (name, may_be) in enumerate(ALL.items(), 1):
            if name in fewer(FEW, ALL):
                tries = [affected(number, right)]
                # Silence is detected by time, which a busy machine may use up: then the check is repeated.
                while len(tries) < 3 and not CASES.get(name, set()) <= tries[-1] <= may_be:
                    tries.append(affected(number, right))
                assert CASES.get(name, set()) <= tries[-1] <= may_be, (name, tries)


def affected(number: int, right: dict[str, Status]) -> set[str]:
    return {record_id for record_id, status in statuses(number).items() if status != right[record_id]}


@pytest.mark.real
def test_a_zone_that_is_right_is_asked_for_nothing_else(
    server: Nameserver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, range(1))
    with silent_for(server, set()) as everybody:
        settings.QUAZZAR_DNS_RESOLVERS = [everybody.address]
        monkeypatch.setattr(check, "PORT", everybody.port)
        assert {*statuses(0).values()} == {Status.OK}
        # By the resolver and by the zone's name server; nobody is asked for names that nobody has.
        assert max(everybody.asked.values()) <= 2
        assert not any("quazzar-" in name for name, _, _ in everybody.asked)
        assert everybody.asked.total() <= 61
