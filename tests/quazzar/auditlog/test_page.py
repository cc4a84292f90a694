"""The audit log's page: sentences with links, filters, pages, exports."""

from __future__ import annotations

import csv
import io
import json
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from mailrelay.models import Message
from quazzar import actors
from quazzar.access import apikeys, audit
from quazzar.models import AuditEntry

LOG = "/admin/quazzar/auditentry/"
CSV, JSONL = "/admin/audit-log.csv", "/admin/audit-log.jsonl"


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def html(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def text(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def test_an_entry_is_a_sentence_with_links_values_and_address(console: Client, operator: User) -> None:
    key, _ = apikeys.mint(operator, "backup-nas")
    actors.address.set("203.0.113.7")
    with actors.acting_as(audit.of_key(key)):
        audit.record(
            "relay.changed", "relay settings", changes={"host": ("a.test", "b.test"), "password": ("x", "y")}
        )
    actors.address.set("")
    page = html(console.get(LOG))
    link = f'<a href="/admin/quazzar/apikey/{key.pk}/change/">API key backup-nas</a>'
    assert f"{link} changed the relay settings: host, password." in page
    assert 'href="/admin/quazzar/auditentry/?address=203.0.113.7"' in page
    assert "a.test" in page and "b.test" in page


@pytest.mark.slow
def test_who_is_gone_is_named_without_a_link(console: Client, other_staff: User) -> None:
    with actors.acting_as(audit.of_user(other_staff)):
        audit.record("relay.removed")
    assert f'href="/admin/auth/user/{other_staff.pk}/change/">other</a>' in html(console.get(LOG))
    pk = other_staff.pk
    other_staff.delete()
    page = html(console.get(LOG))
    assert f"/admin/auth/user/{pk}/change/" not in page and "<strong>other</strong> removed" in page


def test_filters_narrow_the_page_and_stay_in_its_links(console: Client) -> None:
    for number in range(60):
        audit.record("alias.added", f"a{number}@lab.test")
    audit.record("relay.removed", "relay settings")
    page = html(console.get(LOG, {"what": "alias", "period": "7"}))
    assert "a59@lab.test" in page and "removed the relay settings" not in page
    assert "what=alias&amp;period=7&amp;before=" in page
    assert "No entry matches" in html(console.get(LOG, {"q": "nobody@lab.test"}))
    oldest = AuditEntry.objects.order_by("id")[9]
    page = html(console.get(LOG, {"before": oldest.pk}))
    assert "a8@lab.test" in page and "a9@lab.test" not in page


@pytest.mark.parametrize(
    "query",
    [
        "before=x",
        "after=99999999999999999999",
        "who=nobody",
        "what=x",
        "address=x",
        "period=x",
        "since=x&period=-",
    ],
)
def test_what_makes_no_sense_is_not_an_error(console: Client, query: str) -> None:
    assert console.get(f"{LOG}?{query}").status_code == 200


def test_a_day_is_taken_whole(console: Client) -> None:
    entry = audit.record("relay.removed", "relay settings")
    day = f"{entry.at:%Y-%m-%d}"
    assert "removed the relay settings" in html(console.get(LOG, {"period": "-", "since": day, "until": day}))
    assert "removed the relay settings" not in html(console.get(LOG, {"period": "-", "until": "2026-01-01"}))
    assert "removed the relay settings" in html(console.get(LOG, {"period": "-", "until": "9999-12-31"}))


def test_the_rows_are_fetched_again_only_when_they_changed(console: Client) -> None:
    audit.record("relay.removed", "relay settings")
    answer = console.get(LOG, headers={"HX-Request": "true"})
    seen = html(answer).partition('name="seen" value="')[2].partition('"')[0]
    assert "<html" not in html(answer)
    assert console.get(LOG, {"seen": seen}, headers={"HX-Request": "true"}).status_code == 204
    audit.record("relay.removed", "relay settings")
    assert console.get(LOG, {"seen": seen}, headers={"HX-Request": "true"}).status_code == 200


def test_exports_have_what_the_filters_let_through_and_no_formula(console: Client) -> None:
    audit.record("alias.added", "=cmd|' /C calc'!A0")
    audit.record("relay.changed", "relay settings", changes={"from_name": ("", "=1+1")})
    header, *rows = csv.reader(io.StringIO(text(console.get(CSV)), newline=""))
    assert header[:4] == ["id", "at", "who", "sentence"] and len(rows) == 2
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    (entry,) = map(json.loads, text(console.get(JSONL, {"what": "relay"})).splitlines())
    assert entry["changes"] == {"from_name": ["", "=1+1"]}
    assert entry["sentence"] == "Quazzar changed the relay settings: from name."


def test_only_who_may_see_the_audit_log_reads_and_exports_it(client: Client, other_staff: User) -> None:
    client.force_login(other_staff)
    for path in (LOG, CSV, JSONL):
        assert client.get(path).status_code == 403
    other_staff.user_permissions.add(Permission.objects.get(codename="view_auditentry"))
    for path in (LOG, CSV, JSONL):
        assert client.get(path).status_code == 200


def test_who_may_not_open_operators_and_keys_gets_no_links_to_them(
    client: Client, other_staff: User, operator: User
) -> None:
    with actors.acting_as(audit.of_user(operator)):
        audit.record("relay.removed", "relay settings")
    other_staff.user_permissions.add(Permission.objects.get(codename="view_auditentry"))
    client.force_login(other_staff)
    assert "<strong>operator</strong> removed the relay settings." in html(client.get(LOG))


@pytest.mark.slow
def test_the_number_of_queries_does_not_grow(
    console: Client, operator: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        with actors.acting_as(audit.of_key(apikeys.mint(operator, f"key {number}")[0])):
            audit.record("relay.removed", "relay settings")
    with django_assert_max_num_queries(9):
        console.get(LOG)


def test_a_message_is_named_by_subject_and_recipient_to_those_who_may_see_it(
    console: Client, other_staff: User
) -> None:
    row = Message.objects.create(subject="Order 7", to=["ada@example.org"], message_id="<7@x>", recipients=[])
    for target in (row.message_id, "<gone@x>"):
        audit.record("message.read", target)
    page, home = (unescape(console.get(path).content.decode()) for path in (LOG, "/admin/"))
    assert "read the content of message “Order 7” to ada@example.org" in page
    assert "read the content of message <gone@x>" in page
    assert "read the content of message “Order 7” to ada@example.org" in home
    assert "read the content of a message" in home
    assert "@x>" not in home
    other_staff.user_permissions.set(Permission.objects.filter(codename="view_auditentry"))
    console.force_login(other_staff)
    assert "Order 7" not in console.get(LOG).content.decode()
