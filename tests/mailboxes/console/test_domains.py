"""Domains and aliases in the tab."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mailboxes.models import Alias, DkimKey, Domain
from tests.mailboxes import factories
from tests.mailboxes.consolepages import HTMX, LIST, TAB, addresses, html, revealed, running, told

NOW = timezone.now()


@pytest.fixture
def console(client: Client, operator: User, rung: list[str]) -> Client:
    running()
    client.force_login(operator)
    return client


def add_domain(console: Client, **values: str) -> Any:
    return console.post(
        f"{TAB}domains/add/", {"name": "example.org", "catch_all": "", **values}, headers=HTMX
    )


def test_a_domain_in_another_script_is_listed_in_both_spellings(console: Client) -> None:
    factories.domain("xn--bcher-kva.example")
    for page in (f"{TAB}domains/", "/admin/mail-relay/dns/"):
        shown = html(console.get(page))
        assert "xn--bcher-kva.example" in shown and ">bücher.example<" in shown


def add_alias(console: Client, **values: str) -> Any:
    usual = {
        "domain": str(factories.domain().pk),
        "local_part": "sales",
        "enabled": "on",
        "destinations": "a@example.com, b@example.net\n",
    }
    return console.post(f"{TAB}aliases/add/", {**usual, **values}, headers=HTMX)


# --- domains


def test_a_domain_is_added_with_its_key(console: Client) -> None:
    assert "example.org is added" in told(add_domain(console, name="Example.ORG"))
    assert revealed(DkimKey.objects.get().private_key)


@pytest.mark.parametrize(
    ("field", "value"), [("name", ""), ("name", "nodots"), ("name", "a b.org"), ("catch_all", "x")]
)
def test_a_domain_that_does_not_fit_is_refused_and_stays_typed(
    console: Client, field: str, value: str
) -> None:
    page = html(add_domain(console, **{field: value}))
    assert "q-invalid" in page
    assert f'value="{value}"' in page or not value
    assert not Domain.objects.exists()


def test_a_domain_that_is_there_already_is_said_beside_the_field(console: Client) -> None:
    factories.domain("example.org")
    assert "The domain example.org already exists." in html(add_domain(console))


def test_the_list_counts_mailboxes_and_aliases(console: Client) -> None:
    factories.mailbox()
    factories.mailbox("gone@example.com", deleted_at=NOW)
    factories.alias()
    row = html(console.get(f"{TAB}domains/", headers=LIST))
    assert "example.com" in addresses(row)
    pk = Domain.objects.get().pk
    assert f'{TAB}list/?domain={pk}">1<' in row
    assert f'{TAB}aliases/?domain={pk}">1<' in row


def test_the_catch_all_can_be_changed(console: Client) -> None:
    row = factories.domain()
    console.post(f"{TAB}domains/{row.pk}/", {"catch_all": "Ada@Example.com"}, headers=HTMX)
    row.refresh_from_db()
    assert row.catch_all.lower() == "ada@example.com"


def test_a_domain_with_mailboxes_is_not_deleted(console: Client) -> None:
    box = factories.mailbox()
    page = html(console.get(f"{TAB}domains/{box.domain_id}/delete/", headers=HTMX))
    assert "It still has 1 mailbox." in page
    refused = html(console.post(f"{TAB}domains/{box.domain_id}/delete/", headers=HTMX))
    assert "still has 1 mailbox" in refused
    assert Domain.objects.exists()


def test_an_empty_domain_is_deleted_with_its_aliases(console: Client) -> None:
    row = factories.alias().domain
    assert "its 1 alias are deleted too" in html(console.get(f"{TAB}domains/{row.pk}/delete/", headers=HTMX))
    assert told(console.post(f"{TAB}domains/{row.pk}/delete/", headers=HTMX)) == "example.com is deleted."
    assert not Alias.objects.exists()


# --- aliases


def test_an_alias_is_added_with_all_its_destinations(console: Client) -> None:
    factories.mailbox("a@example.com")
    assert told(add_alias(console)) == "sales@example.com is added."
    assert Alias.objects.get().destinations == ["a@example.com", "b@example.net"]


@pytest.mark.slow
def test_an_alias_to_a_mailbox_that_does_not_exist_says_so_when_it_is_added_listed_and_opened(
    console: Client,
) -> None:
    sentence = "a@example.com is not a mailbox here. Mail for it is lost."
    assert told(add_alias(console)) == f"sales@example.com is added. {sentence}"
    row = Alias.objects.get()
    for path in ("aliases/", f"aliases/{row.pk}/"):
        assert sentence in html(console.get(f"{TAB}{path}"))
    factories.stack(enabled=True, phase="healthy")
    Alias.objects.update(destinations=["ghost@example.com"], applied_at=timezone.now())
    page = html(console.get(f"{TAB}aliases/"))
    assert "Refused: ghost@example.com is not a mailbox here." in page and "Live" not in page


def test_a_domain_whose_postmaster_nobody_reads_says_so(console: Client) -> None:
    row = factories.domain()
    for path in ("domains/", f"domains/{row.pk}/"):
        assert "Nobody reads mail for postmaster@example.com" in html(console.get(f"{TAB}{path}"))
    console.post(f"{TAB}domains/{row.pk}/", {"catch_all": "", "contact": "ops@far.example"})
    assert Domain.objects.get().contact == "ops@far.example"
    assert "Nobody reads" not in html(console.get(f"{TAB}domains/"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("local_part", ""),
        ("local_part", "a|b"),
        ("destinations", ""),
        ("destinations", "nobody"),
        ("destinations", ","),
    ],
)
def test_an_alias_that_does_not_fit_is_refused(console: Client, field: str, value: str) -> None:
    assert "q-invalid" in html(add_alias(console, **{field: value}))
    assert not Alias.objects.exists()


def test_an_alias_that_closes_a_circle_is_refused(console: Client) -> None:
    factories.alias("a@example.com", "sales@example.com")
    assert "forwarded in a circle" in html(add_alias(console, destinations="a@example.com"))


def test_an_alias_is_found_by_its_destination(console: Client) -> None:
    factories.alias("info@example.com", "ada@example.com")
    factories.alias("team@example.com", "ben@example.com")
    assert addresses(html(console.get(f"{TAB}aliases/?q=BEN", headers=LIST))) == ["team@example.com"]


def test_an_alias_is_changed_switched_off_and_deleted(console: Client) -> None:
    row = factories.alias()
    console.post(
        f"{TAB}aliases/{row.pk}/", {"destinations": "ben@example.com", "enabled": "on"}, headers=HTMX
    )
    row.refresh_from_db()
    assert row.destinations == ["ben@example.com"]
    assert "no longer forwards" in told(console.post(f"{TAB}aliases/{row.pk}/enabled/", headers=HTMX))
    row.refresh_from_db()
    assert not row.enabled
    console.post(f"{TAB}aliases/{row.pk}/delete/", headers=HTMX)
    assert not Alias.objects.exists()


def test_deleting_an_alias_asks_first(console: Client) -> None:
    row = factories.alias()
    assert "Delete info@<wbr>example.com?" in html(
        console.get(f"{TAB}aliases/{row.pk}/delete/", headers=HTMX)
    )
    assert Alias.objects.exists()


def test_many_destinations_are_cut_short(console: Client) -> None:
    factories.alias("team@example.com", *(f"m{number}@example.com" for number in range(6)))
    page = html(console.get(f"{TAB}aliases/"))
    assert "and 3 more" in page
    assert "m5@example.com" not in page


@pytest.mark.parametrize("path", ["domains/", "aliases/"])
def test_the_number_of_queries_does_not_grow(
    console: Client, path: str, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        factories.alias(f"a@d{number}.example")
    with django_assert_max_num_queries(21):
        console.get(f"{TAB}{path}")
