"""GET /api/mail/mailboxes as a list: pages, filters, search, order, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from mailboxes.models import Domain, Mailbox
from tests.contract.answers import MAILBOXES, error, ok, wrong

Box = Callable[..., Mailbox]
pytestmark = pytest.mark.django_db


def make(count: int, domain: Domain, **fields: Any) -> None:
    Mailbox.objects.bulk_create(
        Mailbox(
            domain=domain, local_part=f"u{number}", address=f"u{number}@{domain.name}", password_hash="{ARGON2ID}x",
            home=f"{domain.name}/u{number}", **fields,
        )
        for number in range(count)
    )  # fmt: skip


def locals_(response: Any) -> list[str]:
    return [row["local_part"] for row in ok(response)["results"]]


def test_an_empty_list_has_four_keys(api: APIClient) -> None:
    empty: dict[str, Any] = {"count": 0, "next": None, "previous": None, "results": []}
    assert ok(api.get(MAILBOXES)) == ok(api.get(f"{MAILBOXES}/deleted")) == empty


def test_following_next_shows_every_row_once(api: APIClient, domain: Domain) -> None:
    make(12, domain)
    seen: list[str] = []
    address: str | None = f"{MAILBOXES}?page_size=5&domain={domain.pk}&enabled=true&ordering=quota_mb"
    while address:
        page = ok(api.get(address))
        seen += [row["local_part"] for row in page["results"]]
        address = page["next"]
    assert sorted(seen) == sorted(f"u{number}" for number in range(12))
    error(api.get(MAILBOXES, {"page": 99}), 404, "not_found")


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "rows"), [("", 50), ("2", 2), ("500", 500), ("501", 500)])
def test_a_page_has_fifty_rows_and_at_most_five_hundred(
    api: APIClient, domain: Domain, asked: str, rows: int
) -> None:
    make(510, domain)
    page = ok(api.get(MAILBOXES, {"page_size": asked}))
    assert (page["count"], len(page["results"])) == (510, rows)


def test_by_domain(api: APIClient, domain: Domain, box: Box) -> None:
    other = Domain.objects.create(name="other.example")
    box("ada"), box("bob")
    make(1, other)
    assert locals_(api.get(MAILBOXES, {"domain": domain.pk})) == ["ada", "bob"]
    assert locals_(api.get(MAILBOXES, {"domain": other.pk})) == ["u0"]
    assert locals_(api.get(MAILBOXES, {"domain": 999})) == []
    assert locals_(api.get(MAILBOXES, {"domain": ""})) == ["ada", "bob", "u0"]


def test_by_whether_it_is_enabled(api: APIClient, box: Box) -> None:
    box("ada"), box("bob", enabled=False)
    for yes, no in (("true", "false"), ("1", "0")):
        assert locals_(api.get(MAILBOXES, {"enabled": yes})) == ["ada"]
        assert locals_(api.get(MAILBOXES, {"enabled": no})) == ["bob"]


def test_what_cannot_be_filtered_by_is_400(api: APIClient, box: Box, subtests: pytest.Subtests) -> None:
    for name, value in [
        ("domain", "abc"),
        ("domain", "1.5"),
        ("domain", "-1"),
        ("domain", "0"),
        ("domain", str(2**63)),
        ("domain", "9" * 40),
        ("domain", "9" * 5000),
        ("domain", "\x00"),
        ("domain", "example.com"),
        ("domain", "1,2"),
        ("enabled", "perhaps"),
        ("enabled", "2"),
        ("enabled", "null"),
        ("ordering", "password_hash"),
        ("ordering", "home"),
        ("ordering", "domain__name"),
        ("ordering", "x"),
        ("search", "\x00"),
        ("search", "a " * 30),
    ]:
        with subtests.test(ascii((name, value))[:80]):
            assert list(wrong(api.get(MAILBOXES, {name: value}))) == [name]


def test_search_looks_at_address_and_display_name(api: APIClient, box: Box) -> None:
    box("ada", display_name="Lovelace"), box("bob"), box("gone", deleted_at=timezone.now())
    assert locals_(api.get(MAILBOXES, {"search": "LOVE"})) == ["ada"]
    assert locals_(api.get(MAILBOXES, {"search": "bob@example"})) == ["bob"]
    assert locals_(api.get(MAILBOXES, {"search": "example love"})) == ["ada"]
    assert (
        locals_(api.get(MAILBOXES, {"search": "%"})) == locals_(api.get(MAILBOXES, {"search": "gone"})) == []
    )


@pytest.mark.parametrize(
    "field", ["id", "address", "display_name", "quota_mb", "usage_bytes", "enabled", "created_at"]
)
def test_each_order_goes_both_ways(api: APIClient, box: Box, field: str) -> None:
    box("a", display_name="A", quota_mb=1, usage_bytes=1, enabled=False)
    box("b", display_name="B", quota_mb=2, usage_bytes=2, enabled=True)
    assert locals_(api.get(MAILBOXES, {"ordering": field})) == ["a", "b"]
    assert locals_(api.get(MAILBOXES, {"ordering": f"-{field}"})) == ["b", "a"]


def test_deleted_ones_are_searched_and_ordered_too(api: APIClient, box: Box) -> None:
    now = timezone.now()
    box("old", deleted_at=now - timedelta(days=2)), box("new", deleted_at=now), box("ada")
    path = f"{MAILBOXES}/deleted"
    addresses = [row["address"] for row in ok(api.get(path))["results"]]
    assert addresses == ["new@example.com", "old@example.com"]
    assert ok(api.get(path, {"search": "old"}))["count"] == 1
    assert ok(api.get(path, {"ordering": "deleted_at"}))["results"][0]["address"] == "old@example.com"


@pytest.mark.parametrize("path", [MAILBOXES, f"{MAILBOXES}/deleted"])
def test_the_number_of_queries_does_not_grow_with_the_page(api: APIClient, domain: Domain, path: str) -> None:
    deleted = {"deleted_at": timezone.now()} if path.endswith("deleted") else {}
    make(1, domain, **deleted)
    api.get(path)  # notes that the key was used
    with CaptureQueriesContext(connection) as few:
        assert len(ok(api.get(path))["results"]) == 1
    Mailbox.objects.all().delete()
    make(300, domain, **deleted)
    with CaptureQueriesContext(connection) as many:
        assert len(ok(api.get(path, {"page_size": 500}))["results"]) == 300
    assert len(many) == len(few)
