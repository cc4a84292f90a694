"""Mailboxes in the tab: the list, one added, changed, switched off, deleted and restored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mailboxes.models import Mailbox
from mailboxes.provisioning import passwords
from quazzar.models import AuditEntry
from tests.mailboxes import factories
from tests.mailboxes.consolepages import HTMX, LIST, TAB, addresses, html, revealed, running, told

NEW = {
    "local_part": "Ben",
    "display_name": "Ben <3",
    "password": factories.PASSWORD,
    "quota": "2",
    "quota_unit": "gb",
    "enabled": "on",
    "can_receive": "on",
    "can_send": "on",
}
NOW = timezone.now()
BOTH = ["ada@example.com", "ben@example.org"]


@pytest.fixture
def console(client: Client, operator: User, rung: list[str]) -> Client:
    running()
    client.force_login(operator)
    return client


def shown(console: Client, query: str = "") -> str:
    return html(console.get(f"{TAB}list/{query}", headers=LIST))


def add(console: Client, **changes: str) -> Any:
    values = {"domain": str(factories.domain().pk), **NEW, **changes}
    return console.post(f"{TAB}add/", values, headers=HTMX)


# --- the list


def test_without_a_domain_the_list_begins_with_one(console: Client) -> None:
    assert "Start with a domain" in shown(console)


def test_with_a_domain_it_begins_with_a_mailbox(console: Client) -> None:
    factories.domain()
    assert "No mailbox yet" in shown(console)


def test_the_list_says_address_name_storage_and_state(console: Client) -> None:
    factories.mailbox(
        display_name="Ada <b>", quota_mb=1024, usage_bytes=900 << 20, applied_at=NOW, password_hash="x"
    )
    page = console.get(f"{TAB}list/").content.decode()
    for words in ("ada@example.com", "Ada &lt;b&gt;", "900 MiB of 1 GiB", "87 %", "m-bar-near", "Live"):
        assert words in page


def test_what_is_on_its_way_is_asked_for_again(console: Client) -> None:
    row = factories.mailbox(password_hash="x")
    page = shown(console)
    assert "On its way" in page
    assert "data-waiting" in page
    Mailbox.objects.filter(pk=row.pk).update(applied_at=NOW)
    assert "data-waiting" not in shown(console)


def test_while_the_server_is_off_nothing_is_on_its_way(console: Client) -> None:
    running(enabled=False, phase="disabled")
    factories.mailbox(password_hash="x")
    page = shown(console)
    assert "Server is off" in page
    assert "data-waiting" not in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=ada", ["ada@example.com"]),
        ("?q=LOVELACE", ["ada@example.com"]),
        ("?q=ada+lovelace", ["ada@example.com"]),
        ("?q=nobody", []),
        ("?q=%25", []),
        ("?state=x", BOTH),
        ("?page=77", BOTH),
        ("?state=disabled", ["ben@example.org"]),
        ("?state=waiting", ["ben@example.org"]),
        ("?state=full", ["ada@example.com"]),
        ("?state=unreadable", []),
        ("?domain=99999999999999999999", BOTH),
    ],
)
def test_search_and_filters_find_what_they_should(console: Client, query: str, found: list[str]) -> None:
    factories.mailbox(
        display_name="Ada Lovelace", quota_mb=5000, usage_bytes=4000 << 20, applied_at=NOW, password_hash="x"
    )
    factories.mailbox("ben@example.org", enabled=False)
    assert addresses(shown(console, query)) == found


def test_a_domain_in_another_script_is_found_as_it_was_typed(console: Client) -> None:
    factories.mailbox("ada@xn--bcher-kva.example")
    factories.mailbox("ben@example.org")
    for query in ("?q=bücher.example", "?q=ada%40Bücher.example", "?q=xn--bcher"):
        assert addresses(shown(console, query)) == ["ada@xn--bcher-kva.example"]


def test_one_domain_can_be_chosen(console: Client) -> None:
    factories.mailbox()
    other = factories.mailbox("ben@example.org")
    assert addresses(shown(console, f"?domain={other.domain_id}")) == ["ben@example.org"]
    assert "Every domain" in html(console.get(f"{TAB}list/"))


def test_a_search_without_a_match_says_so(console: Client) -> None:
    factories.mailbox()
    assert "Nothing matches" in shown(console, "?q=nobody")


def test_a_long_list_comes_in_pages(console: Client) -> None:
    for number in range(60):
        factories.mailbox(f"m{number:02d}@example.com")
    assert len(addresses(shown(console))) == 25
    last = shown(console, "?page=3&q=m")
    assert addresses(last) == [f"m{number}@example.com" for number in range(50, 60)]
    assert "51–60 of 60 mailboxes" in last
    assert "?page=2&q=m" in last


def test_the_number_of_queries_does_not_grow(console: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(25):
        factories.mailbox(f"m{number:02d}@example.com", password_hash="x")
    with django_assert_max_num_queries(18):
        console.get(f"{TAB}list/")


def test_a_list_that_has_not_changed_is_not_sent_again(console: Client) -> None:
    factories.mailbox()
    digest = shown(console).split('name="seen" value="')[1].split('"')[0]
    assert console.get(f"{TAB}list/?seen={digest}", headers=LIST).status_code == 204


def test_deleted_mailboxes_are_not_in_the_list(console: Client) -> None:
    factories.mailbox(deleted_at=NOW)
    assert addresses(shown(console)) == []


# --- unreadable passwords


def test_mailboxes_that_need_a_new_password_are_counted_and_found(
    console: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.mailbox(password_hash="x")
    factories.mailbox("ben@example.com")
    assert "needs a new password" not in html(console.get(f"{TAB}list/"))
    monkeypatch.setattr("quazzar.sealing.keyring.existing", lambda: None)
    assert "1 mailbox needs a new password." in html(console.get(f"{TAB}list/"))
    page = shown(console, "?state=unreadable")
    assert addresses(page) == ["ada@example.com"]
    assert "Needs a new password" in page


# --- adding


def test_adding_saves_and_shows_the_connection_settings(console: Client) -> None:
    answer = add(console)
    row = Mailbox.objects.get()
    assert (row.address, row.quota_mb, row.display_name) == ("ben@example.com", 2048, "Ben <3")
    assert passwords.verify(revealed(row.password_hash), factories.PASSWORD)
    page = html(answer)
    for words in ("ben@example.com is added", "mail.example.com", "993", "465", "<svg", "On its way"):
        assert words in page
    assert answer["HX-Trigger"] == "console-changed"


def test_a_typed_password_is_never_shown_back(console: Client) -> None:
    assert factories.PASSWORD not in html(add(console))
    assert factories.PASSWORD not in html(add(console, local_part="not an address"))


@pytest.mark.slow
def test_a_generated_password_is_shown_once(console: Client) -> None:
    field = html(console.post(f"{TAB}generate/", headers=HTMX))
    generated = field.split('value="')[1].split('"')[0]
    assert not passwords.problems(generated)
    page = html(add(console, password=generated, generated="yes"))
    assert page.count(generated) == 2  # to read, and to copy
    row = Mailbox.objects.get()
    assert generated not in html(console.get(f"{TAB}{row.pk}/connection/"))
    assert generated not in html(console.get(f"{TAB}{row.pk}/"))


def test_each_generated_password_is_another(console: Client) -> None:
    first, second = (console.post(f"{TAB}generate/", headers=HTMX).content for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("local_part", ""),
        ("local_part", "a b"),
        ("password", ""),
        ("password", "short"),
        ("quota", "much"),
        ("quota", "99999999999999"),
        ("display_name", "x" * 201),
        ("domain", "999"),
    ],
)
def test_what_does_not_fit_is_said_beside_its_field_and_nothing_is_lost(
    console: Client, field: str, value: str
) -> None:
    page = html(add(console, **{field: value}))
    assert "q-invalid" in page
    assert 'value="Ben <3"' in page or field == "display_name"
    assert not Mailbox.objects.exists()


@pytest.mark.parametrize("make", [factories.mailbox, factories.alias])
def test_an_address_that_is_taken_is_refused_beside_the_address(console: Client, make: Any) -> None:
    make("ben@example.com")
    page = html(add(console))
    assert "ben@example.com already" in page
    assert page.index("ben@example.com already") < page.index("Display name")


def test_without_scripts_adding_is_a_page(console: Client) -> None:
    factories.domain()
    page = html(console.get(f"{TAB}add/"))
    assert "<html" in page
    assert "Add mailbox" in page


# --- changing


def test_an_empty_password_keeps_the_one_there_is(console: Client) -> None:
    row = factories.mailbox(password_hash="{ARGON2ID}x")
    answer = console.post(
        f"{TAB}{row.pk}/", {**NEW, "password": "", "quota": "500", "quota_unit": "mb"}, headers=HTMX
    )
    assert told(answer) == "ada@example.com is changed."
    row.refresh_from_db()
    assert (row.quota_mb, revealed(row.password_hash), row.display_name) == (500, "{ARGON2ID}x", "Ben <3")


def test_a_new_password_replaces_the_old_one(console: Client) -> None:
    row = factories.mailbox(password_hash="{ARGON2ID}x")
    console.post(f"{TAB}{row.pk}/", NEW, headers=HTMX)
    row.refresh_from_db()
    assert passwords.verify(revealed(row.password_hash), factories.PASSWORD)


def test_a_generated_new_password_is_shown_once(console: Client) -> None:
    row = factories.mailbox()
    page = html(console.post(f"{TAB}{row.pk}/", {**NEW, "generated": "yes"}, headers=HTMX))
    assert "ada@example.com is changed" in page
    assert factories.PASSWORD in page


@pytest.mark.parametrize(
    ("quota_mb", "value", "unit"), [(0, None, "gb"), (2048, 2, "gb"), (1500, 1500, "mb")]
)
def test_a_quota_is_shown_in_the_unit_that_fits(
    console: Client, quota_mb: int, value: Any, unit: str
) -> None:
    row = factories.mailbox(quota_mb=quota_mb)
    page = html(console.get(f"{TAB}{row.pk}/", headers=HTMX))
    assert f'<option value="{unit}" selected>' in page
    assert (f'name="quota" value="{value}"' in page) is (value is not None)


@pytest.mark.parametrize(("sent", "enabled"), [({"on": "on"}, True), ({}, False)])
def test_the_switch_lets_somebody_in_or_out(console: Client, sent: dict[str, str], enabled: bool) -> None:
    row = factories.mailbox(enabled=not enabled)
    answer = console.post(f"{TAB}{row.pk}/enabled/", sent, headers=HTMX)
    assert ("can no longer sign in" in told(answer)) is not enabled
    row.refresh_from_db()
    assert row.enabled is enabled


# --- deleting and restoring


def test_deleting_asks_first_and_names_the_days(console: Client, settings: Any) -> None:
    settings.QUAZZAR_RESTORE_DAYS = 12
    row = factories.mailbox()
    assert "for 12 days; then it is removed" in html(console.get(f"{TAB}{row.pk}/delete/", headers=HTMX))
    row.refresh_from_db()
    assert row.deleted_at is None
    assert "for 12 days" in told(console.post(f"{TAB}{row.pk}/delete/", headers=HTMX))
    row.refresh_from_db()
    assert row.deleted_at is not None
    assert AuditEntry.objects.filter(action="mailbox.removed", actor="user:operator").exists()


def test_a_deleted_mailbox_is_listed_and_restored(console: Client) -> None:
    row = factories.mailbox(deleted_at=NOW - timedelta(days=2), usage_bytes=300 << 20)
    page = html(console.get(f"{TAB}deleted/", headers=LIST))
    assert "300 MiB" in page
    assert f"{NOW + timedelta(days=28):%d %b %Y}" in page
    assert "is back" in told(console.post(f"{TAB}{row.pk}/restore/", headers=HTMX))
    row.refresh_from_db()
    assert row.deleted_at is None


def test_a_mailbox_whose_address_is_taken_stays_deleted_and_says_why(console: Client) -> None:
    row = factories.mailbox(deleted_at=NOW, home="example.com/ada..1")
    factories.mailbox()
    assert "The mailbox ada@example.com already exists." in told(
        console.post(f"{TAB}{row.pk}/restore/", headers=HTMX)
    )
    row.refresh_from_db()
    assert row.deleted_at is not None


def test_a_mailbox_whose_domain_is_gone_says_what_to_do(console: Client) -> None:
    row = factories.mailbox(deleted_at=NOW)
    assert row.domain
    row.domain.delete()
    assert "Add it again" in told(console.post(f"{TAB}{row.pk}/restore/", headers=HTMX))


def test_what_is_past_its_time_is_not_listed(console: Client) -> None:
    factories.mailbox(deleted_at=NOW - timedelta(days=31))
    assert "Nothing deleted" in html(console.get(f"{TAB}deleted/"))


def test_without_htmx_a_switch_leads_back_with_a_sentence(console: Client) -> None:
    row = factories.mailbox()
    page = html(console.post(f"{TAB}{row.pk}/enabled/", follow=True))
    assert "can no longer sign in" in page
