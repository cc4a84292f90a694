"""/api/mail/domains/{id}/dns, its check and its zone file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from dnsrecords.models import RecordCheck
from mailboxes.models import Domain, Stack
from mailrelay.models import RelaySettings
from tests.contract.answers import DOMAINS, error, is_time, ok
from tests.dnsrecords.mistakes import line, text
from tests.mailboxes import factories
from tests.rig import or_skip
from tests.rig.nameserver import Nameserver

pytestmark = pytest.mark.django_db

KEYS = {"type", "name", "value", "ttl", "purpose", "required", "status", "found"}
STATUSES = {"unchecked", "ok", "missing", "mismatch", "error"}


@pytest.fixture(scope="module")
def server() -> Iterator[Nameserver]:
    with or_skip(Nameserver) as found:
        yield found


@pytest.fixture
def domain(settings: Any, server: Nameserver) -> Domain:
    """Of a node whose hostname is known, and which asks a real name server."""
    settings.QUAZZAR_DNS_RESOLVERS = [server.address]
    stack = Stack.load()
    stack.hostname = "mail.example.com"
    stack.save()
    return factories.domain("example.com", dkim_public_key="QUJD")


def path(domain: Domain, end: str = "") -> str:
    return f"{DOMAINS}/{domain.pk}/dns{end}"


def required(answer: Any) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in answer["records"] if row["required"]}


def zone(answer: Any) -> list[str]:
    """The required records as lines of a zone, with the host they lead to."""
    lines = [
        text(row["name"], row["value"])
        if row["type"] == "TXT"
        else line(row["name"], row["type"], row["value"])
        for row in required(answer).values()
    ]
    return [*lines, line("mail.example.com", "A", "127.0.0.1")]


# --- reading -----------------------------------------------------------------------------------------------
def test_exactly_four_records_are_required(api: APIClient, domain: Domain) -> None:
    answer = ok(api.get(path(domain)))
    assert answer.keys() == {"domain", "checked_at", "records"}
    assert (answer["domain"], answer["checked_at"]) == ("example.com", None)
    assert [(row["type"], row["name"]) for row in required(answer).values()] == [
        ("MX", "example.com"), ("TXT", "example.com"), ("TXT", "quazzar._domainkey.example.com"),
        ("TXT", "_dmarc.example.com"),
    ]  # fmt: skip
    assert all(row.keys() >= KEYS and row["status"] == "unchecked" for row in answer["records"])
    assert all(row["purpose"].endswith(".") and row["ttl"] > 0 for row in answer["records"])


def test_the_values_are_what_to_paste(api: APIClient, domain: Domain) -> None:
    found = required(ok(api.get(path(domain))))
    assert found["mx"]["value"] == "10 mail.example.com."
    assert found["spf"]["value"] == "v=spf1 mx ~all"
    assert found["dkim"]["value"].startswith("v=DKIM1; k=rsa; p=")
    assert "p=quarantine" in found["dmarc"]["value"]
    assert [row["relative_name"] for row in found.values()] == ["@", "@", "quazzar._domainkey", "_dmarc"]


def test_a_provider_that_mail_leaves_through_is_in_spf(
    api: APIClient, domain: Domain, relay: RelaySettings
) -> None:
    relay.provider, relay.host = "mailgun", "smtp.mailgun.org"
    relay.save()
    assert required(ok(api.get(path(domain))))["spf"]["value"] == "v=spf1 mx include:mailgun.org ~all"


def test_without_a_hostname_there_are_four_all_the_same(api: APIClient) -> None:
    answer = ok(api.get(path(factories.domain("example.org"))))
    assert required(answer)["mx"]["value"] == "10 mail.example.org."


def test_no_domain_is_404(api: APIClient) -> None:
    for end, method in (("", api.get), ("/check", api.post), ("/zone", api.get)):
        error(method(f"{DOMAINS}/999/dns{end}"), 404, "not_found")


def test_who_may_only_read_may_not_check(
    domain: Domain, operator: Any, client_with: Callable[..., APIClient]
) -> None:
    reader = client_with(operator, "mail:read")
    assert ok(reader.get(path(domain)))
    error(reader.post(path(domain, "/check")), 403, "permission_denied")


@pytest.mark.parametrize("end", ["", "/zone", "/check"])
def test_the_gate_is_before_it(api: APIClient, domain: Domain, plan: Callable[[str], None], end: str) -> None:
    plan("community")
    method = api.post if end == "/check" else api.get
    assert method(path(domain, end)).status_code == 402


def test_other_methods_are_405(api: APIClient, domain: Domain) -> None:
    error(api.delete(path(domain)), 405, "method_not_allowed")
    error(api.get(path(domain, "/check")), 405, "method_not_allowed")


# --- checking ----------------------------------------------------------------------------------------------
@pytest.mark.real
def test_pasted_into_a_real_zone_all_four_turn_ok(api: APIClient, domain: Domain, server: Nameserver) -> None:
    server.publish("example.com", ["@ A 192.0.2.9"])
    before = ok(api.post(path(domain, "/check")))
    assert {row["status"] for row in required(before).values()} == {"missing"}
    assert all(row["found"] == [] and row["message"] for row in required(before).values())
    server.publish("example.com", zone(before))
    after = ok(api.post(path(domain, "/check")))
    assert {key: row["status"] for key, row in required(after).items()} == dict.fromkeys(
        required(after), "ok"
    )
    assert is_time(after["checked_at"])
    assert {row["status"] for row in after["records"]} <= STATUSES
    assert ok(api.get(path(domain))) == after


@pytest.mark.real
def test_a_difference_shows_what_was_found_and_what_to_change(
    api: APIClient, domain: Domain, server: Nameserver
) -> None:
    server.publish("example.com", ['_dmarc TXT "v=DMARC1; p=none"', "@ MX 5 mx.elsewhere.net."])
    found = required(ok(api.post(path(domain, "/check"))))
    assert (found["dmarc"]["status"], found["dmarc"]["found"]) == ("mismatch", ["v=DMARC1; p=none"])
    assert (found["mx"]["status"], found["mx"]["found"]) == ("mismatch", ["5 mx.elsewhere.net"])
    assert found["mx"]["message"].endswith(".")


@pytest.mark.real
def test_an_existing_spf_record_is_merged(api: APIClient, domain: Domain, server: Nameserver) -> None:
    server.publish(
        "example.com",
        ['@ TXT "v=spf1 ip4:198.51.100.7 -all"', "@ MX 10 mail.example.com.", "mail A 127.0.0.1"],
    )
    spf = required(ok(api.post(path(domain, "/check"))))["spf"]
    assert spf["status"] == "mismatch"
    assert spf["advice"] == "v=spf1 ip4:198.51.100.7 mx -all"


@pytest.mark.real
def test_an_address_of_this_network_alone_is_neither_given_nor_held_against_a_record(
    api: APIClient, domain: Domain, server: Nameserver, settings: Any
) -> None:
    text = "v=spf1 ip4:203.0.113.9 -all"
    server.publish("example.com", [f'@ TXT "{text}"', "@ MX 10 mail.example.com.", "mail A 10.0.0.5"])
    for addresses in ([], ["10.0.0.5"]):
        settings.QUAZZAR_PUBLIC_ADDRESSES = addresses
        answer = ok(api.post(path(domain, "/check")))
        spf = required(answer)["spf"]
        assert (spf["status"], spf["advice"]) == ("ok", text)
        assert "QUAZZAR_PUBLIC_ADDRESSES" in spf["message"]
        assert not [
            row for row in answer["records"] if "10.0.0.5" in row["value"] + row["advice"] + row["name"]
        ]


@pytest.mark.real
def test_names_are_relative_to_the_zone_that_a_domain_is_part_of(
    api: APIClient, domain: Domain, server: Nameserver
) -> None:
    below = factories.domain("mail1.o1.test", dkim_public_key="QUJD")
    rows = required(ok(api.get(path(below)))).values()
    assert {row["relative_name"] for row in rows} == {f"{row['name']}." for row in rows}
    policy = "v=DMARC1; p=reject; sp=reject; rua=mailto:dmarc@o1.test"
    server.publish("o1.test", [f'_dmarc TXT "{policy}"', "mail1 MX 10 mail.example.com."])
    found = required(ok(api.post(path(below, "/check"))))
    assert [row["relative_name"] for row in found.values()] == [
        "mail1", "mail1", "quazzar._domainkey.mail1", "_dmarc.mail1",
    ]  # fmt: skip
    assert (found["dmarc"]["status"], found["dmarc"]["found"]) == ("ok", [])
    assert "the policy of o1.test applies" in found["dmarc"]["message"]
    assert required(ok(api.get(path(below)))) == found
    stages = ok(api.get(path(below, "/dmarc")))["stages"]
    assert all(stage["reached"] for stage in stages)


@pytest.mark.real
def test_servers_that_do_not_answer_are_an_error(
    api: APIClient, domain: Domain, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dnsrecords.checking.check.DEADLINE", 1.0)
    settings.QUAZZAR_DNS_RESOLVERS = ["127.0.0.1:1"]
    found = required(ok(api.post(path(domain, "/check"))))
    assert {row["status"] for row in found.values()} == {"error"}
    assert all(row["message"] for row in found.values())


@pytest.mark.real
def test_a_value_that_has_changed_since_is_unchecked(
    api: APIClient, domain: Domain, server: Nameserver
) -> None:
    server.publish("example.com", zone(ok(api.get(path(domain)))))
    assert required(ok(api.post(path(domain, "/check"))))["mx"]["status"] == "ok"
    Stack.objects.update(hostname="other.example.com")
    row = required(ok(api.get(path(domain))))["mx"]
    assert (row["value"], row["status"], row["found"]) == ("10 other.example.com.", "unchecked", [])
    assert RecordCheck.objects.filter(record="mx").exists()


# --- the zone file -----------------------------------------------------------------------------------------
@pytest.mark.real
def test_the_zone_file_loads_as_it_is_and_all_is_right(
    api: APIClient, domain: Domain, server: Nameserver
) -> None:
    answer = api.get(path(domain, "/zone"))
    assert answer.status_code == 200 and answer["Content-Type"].startswith("text/dns")
    lines = answer.content.decode().splitlines()
    assert lines[0].startswith("$ORIGIN example.com.") or "$ORIGIN example.com." in answer.content.decode()
    assert "$TTL" in answer.content.decode()
    server.publish("example.com", [*lines, line("mail.example.com", "A", "127.0.0.1")])
    found = required(ok(api.post(path(domain, "/check"))))
    assert {key: row["status"] for key, row in found.items()} == dict.fromkeys(found, "ok")


# --- rotation ----------------------------------------------------------------------------------------------
@pytest.mark.real
def test_a_rotation_from_beginning_to_switch(api: APIClient, server: Nameserver, settings: Any) -> None:
    settings.QUAZZAR_DNS_RESOLVERS = [server.address]
    domain = Domain.objects.get(pk=ok(api.post(DOMAINS, {"name": "rotate.example"}), 201)["id"])
    assert ok(api.get(path(domain, "/rotation")))["state"] == "none"
    begun = ok(api.post(path(domain, "/rotation")), 201)
    assert (begun["state"], begun["selector"]) == ("pending", "quazzar")
    error(api.post(path(domain, "/rotation")), 409, "rotation_under_way")
    rows = ok(api.get(path(domain)))["records"]
    keys = [row for row in rows if row["name"] == f"{begun['other']}._domainkey.rotate.example"]
    server.publish("rotate.example", [text(row["name"], row["value"]) for row in keys])
    ok(api.post(path(domain, "/check")))
    after = ok(api.get(path(domain, "/rotation")))
    assert (after["state"], after["selector"], after["other"]) == ("retiring", begun["other"], "quazzar")
    assert is_time(after["since"]) and is_time(after["keep_until"])
    assert ok(api.get(f"{DOMAINS}/{domain.pk}"))["dkim"]["selector"] == begun["other"]
    error(api.delete(path(domain, "/rotation")), 409, "no_rotation")


def test_a_rotation_can_be_given_up(api: APIClient, domain: Domain) -> None:
    error(api.delete(path(domain, "/rotation")), 409, "no_rotation")
    ok(api.post(path(domain, "/rotation")), 201)
    assert api.delete(path(domain, "/rotation")).status_code == 204
    assert ok(api.get(path(domain, "/rotation")))["state"] == "none"


# --- the path to a strong policy ---------------------------------------------------------------------------
@pytest.mark.slow
def test_the_dmarc_path_says_what_each_stage_needs(
    api: APIClient, domain: Domain, server: Nameserver
) -> None:
    server.publish(domain.name, ['_dmarc TXT "v=DMARC1; p=none; rua=mailto:me@x.test"'])
    api.post(path(domain, "/check"))
    stages = api.get(path(domain, "/dmarc")).json()["stages"]
    assert [(each["policy"], each["reached"]) for each in stages] == [
        ("none", True),
        ("quarantine", False),
        ("reject", False),
    ]
    assert stages[1]["value"] == "v=DMARC1; p=quarantine; rua=mailto:me@x.test"
    assert all(each["needs"] for each in stages)


def test_before_a_look_no_stage_is_reached(api: APIClient, domain: Domain) -> None:
    assert not any(each["reached"] for each in api.get(path(domain, "/dmarc")).json()["stages"])
