"""Pages of a long list of messages are those of a short one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from mailrelay.api import pages
from mailrelay.models import Message
from mailrelay.queue import counts, finding, outbox, retention

pytestmark = pytest.mark.django_db
PATHS = [
    f"/api/mail/messages?page_size=3{more}"
    for more in (
        *(
            "",
            "&page=1",
            "&page=2",
            "&page=4",
            "&page=5",
            "&page=0",
            "&page=last",
            "&page=99999999999999999999",
        ),
        *("&status=sent", "&status=sent&page=2", "&status=failed", "&status=retrying", "&status=none"),
        *("&ordering=id&page=2", "&search=disk&page=2", "&source=api&page=2"),
    )
]


def answers(api: APIClient) -> list[tuple[str, int, Any]]:
    """What they answer; where a list goes on, it may say in its own way."""
    found = [(path, api.get(path)) for path in PATHS]
    return [
        (path, answer.status_code, {**answer.json(), "next": bool(answer.json().get("next"))})
        for path, answer in found
    ]


@pytest.fixture
def twelve(queued: Callable[..., Message]) -> list[Message]:
    """Twelve messages about a disk, the oldest six of which are sent."""
    rows = [queued(f"box{number}@example.com", subject=f"Disk {number}") for number in range(12)]
    outbox.record_sent("me", [row.pk for row in outbox.claim("me", 6)])
    counts.add({"sent": 6})
    return rows


def walk(api: APIClient, path: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Subjects of all pages, as ``next`` leads from one to the other; and the answers."""
    answered = []
    url: str | None = path
    while url:
        answer = api.get(url)
        assert answer.status_code == 200, answer.content
        answered.append(answer.json())
        url = answered[-1]["next"]
    return [row["subject"] for one in answered for row in one["results"]], answered


def disks(*numbers: int) -> list[str]:
    return [f"Disk {number}" for number in numbers]


@pytest.mark.parametrize("missing", [False, True])
def test_a_long_list_has_the_pages_of_a_short_one(
    api: APIClient, twelve: list[Message], monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    if missing:
        retention.remove(Message.objects.filter(pk__in=[twelve[2].pk, twelve[8].pk]))
    short = answers(api)
    monkeypatch.setattr(pages, "_FEW", 4)
    with CaptureQueriesContext(connection) as taken:
        assert answers(api) == short
    cut_by_id = [one for one in taken.captured_queries if '"id" <=' in one["sql"]]
    assert bool(cut_by_id) is not missing


def test_of_a_long_queue_the_number_of_the_last_sweep_is_told(
    api: APIClient, twelve: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    short = answers(api)
    monkeypatch.setattr(pages, "_FEW", 4)
    monkeypatch.setattr(counts, "COUNTED", 3)
    late = api.get("/api/mail/messages?page_size=3&page=4").json()
    assert [row["subject"] for row in late["results"]] == disks(2, 1, 0)
    assert api.get("/api/mail/messages?page_size=3&page=5").status_code == 404
    monkeypatch.setattr(counts, "_counted_at", float("-inf"))
    counts.note_waiting()
    with CaptureQueriesContext(connection) as taken:
        assert answers(api) == short
    assert not [one for one in taken.captured_queries if '"id" <=' in one["sql"]]


@pytest.mark.parametrize("few", [4, 100])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", range(11, -1, -1)),
        ("&status=sent", range(5, -1, -1)),
        ("&ordering=id", range(12)),
        ("&ordering=-created_at", range(11, -1, -1)),
        ("&ordering=status&search=disk", [*range(6, 12), *range(6)]),
        ("&search=disk&ordering=-id", range(11, -1, -1)),
        ("&search=disk&ordering=id", range(12)),
        ("&search=box1", [11, 10, 1]),
        ("&search=box7@example.com", [7]),
        ("&search=disk,box4", [4]),
        ("&search=%22disk 1%22", [11, 10, 1]),
        ("&search=%221 disk%22", []),
        ("&source=api&status=sent", range(5, -1, -1)),
        ("&source=sendmail", []),
        ("&source=alert", []),
    ],
)
def test_following_next_shows_each_message_once(
    api: APIClient,
    twelve: list[Message],
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    query: str,
    found: list[int],
) -> None:
    monkeypatch.setattr(pages, "_FEW", few)
    seen, answered = walk(api, f"/api/mail/messages?page_size=3{query}")
    assert seen == disks(*found)
    assert {one["count"] for one in answered} == {len(seen)}


@pytest.mark.parametrize("query", ["search=box1", "search=disk 1", "source=api&search=1", "source=sendmail"])
def test_a_search_that_takes_too_long_goes_on_where_next_says(
    api: APIClient, twelve: list[Message], monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    whole, _ = walk(api, f"/api/mail/messages?{query}")
    monkeypatch.setattr(finding, "WINDOW", 4)
    monkeypatch.setattr(finding, "SECONDS", -1)
    for size in (1, 2, 50):
        seen, answered = walk(api, f"/api/mail/messages?{query}&page_size={size}")
        assert seen == whole
        assert len(answered) > 2
        assert all(len(one["results"]) <= size and one["previous"] is None for one in answered)
    last = api.get(f"/api/mail/messages?{query}&page=9").json()
    assert last["results"] == []
    assert f"before={twelve[8].pk}" in last["next"]


def test_pages_by_number_reach_as_far_as_one_request_searches(
    api: APIClient, twelve: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "WINDOW", 5)
    monkeypatch.setattr(finding, "SECONDS", -1)
    second = api.get("/api/mail/messages?search=disk&page_size=2&page=2").json()
    assert [row["subject"] for row in second["results"]] == disks(9, 8)
    assert second["previous"].endswith("?page_size=2&search=disk")
    assert f"before={twelve[8].pk}" in second["next"]
    assert second["count"] == 5


def test_a_list_that_is_too_long_to_sort_says_what_to_do(
    api: APIClient, twelve: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_FEW", 7)
    for order in ("attempts", "-next_attempt_at", "sent_at"):
        refused = api.get(f"/api/mail/messages?ordering={order}")
        assert refused.status_code == 400
        assert "filter them by status" in refused.json()["fields"]["ordering"][0]
        assert api.get(f"/api/mail/messages?ordering={order}&status=sent").json()["count"] == 6
    status = api.get("/api/mail/messages?ordering=-status&page_size=6&page=1").json()
    assert {row["status"] for row in status["results"]} == {"sent"}
    monkeypatch.setattr(finding, "WINDOW", 4)
    monkeypatch.setattr(finding, "SECONDS", -1)
    refused = api.get("/api/mail/messages?ordering=attempts&search=disk")
    assert refused.status_code == 400
    assert "an address or a Message-ID" in refused.json()["fields"]["ordering"][0]


@pytest.mark.parametrize("query", ["before=0", "before=x", "before=", "before=" + "9" * 30])
def test_where_a_list_goes_on_must_be_an_id(api: APIClient, query: str) -> None:
    refused = api.get(f"/api/mail/messages?{query}")
    assert refused.status_code == 400
    assert list(refused.json()["fields"]) == ["before"]


def test_a_page_in_a_browser_shows_how_a_search_goes_on(
    client: Any, operator: Any, twelve: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "WINDOW", 4)
    monkeypatch.setattr(finding, "SECONDS", -1)
    client.force_login(operator)
    shown = client.get("/api/mail/messages?search=box1&page_size=2", headers={"accept": "text/html"})
    assert f"before={twelve[8].pk}" in shown.content.decode()


def test_older_messages_alone_can_be_sorted_too(api: APIClient, twelve: list[Message]) -> None:
    older = api.get(f"/api/mail/messages?before={twelve[3].pk}&ordering=id").json()
    assert [row["subject"] for row in older["results"]] == disks(0, 1, 2)
