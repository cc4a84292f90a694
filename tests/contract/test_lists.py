"""GET /api/mail/messages as a list: pages, filters, search, order, and what it costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from mailrelay.models import Message
from tests.contract.answers import MESSAGES, error, is_time, ok, wrong

pytestmark = pytest.mark.django_db


def make(count: int, **fields: Any) -> list[Message]:
    now = timezone.now()
    return Message.objects.bulk_create(
        Message(
            message_id=f"<{number}@example.org>",
            to=[f"u{number}@example.com"],
            subject=f"Mail {number}",
            body=b"s3cret",
            recipients=[{"address": f"u{number}@example.com", "status": "pending"}],
            created_at=now + timedelta(seconds=number),
            **fields,
        )
        for number in range(count)
    )


def subjects(response: Any) -> list[str]:
    return [row["subject"] for row in ok(response)["results"]]


# --- pages -------------------------------------------------------------------------------------------------
def test_an_empty_list_has_four_keys(api: APIClient) -> None:
    assert ok(api.get(MESSAGES)) == {"count": 0, "next": None, "previous": None, "results": []}


def test_pages_have_fifty_rows_the_newest_first(api: APIClient) -> None:
    make(120)
    first = ok(api.get(MESSAGES))
    assert (first["count"], len(first["results"]), first["previous"]) == (120, 50, None)
    assert first["next"] == f"http://testserver{MESSAGES}?page=2"
    assert first["results"][0]["subject"] == "Mail 119"
    last = ok(api.get(MESSAGES, {"page": 3}))
    assert (len(last["results"]), last["next"], last["previous"]) == (
        20,
        None,
        f"http://testserver{MESSAGES}?page=2",
    )


def test_following_next_shows_every_row_once(api: APIClient) -> None:
    make(23)
    seen: list[str] = []
    address: str | None = f"{MESSAGES}?page_size=5&search=Mail"
    while address:
        page = ok(api.get(address))
        seen += [row["subject"] for row in page["results"]]
        address = page["next"]
    assert sorted(seen) == sorted({f"Mail {number}" for number in range(23)})


@pytest.mark.slow
def test_a_page_has_at_most_five_hundred_rows(api: APIClient) -> None:
    make(510)
    for asked, rows in [("1", 1), ("500", 500), ("501", 500), ("9" * 30, 500)]:
        assert len(ok(api.get(MESSAGES, {"page_size": asked}))["results"]) == rows
    assert len(ok(api.get(MESSAGES, {"page_size": ""}))["results"]) == 50


@pytest.mark.parametrize("nonsense", ["0", "-1", "abc", "1.5", "\u0661"])
def test_what_is_no_size_of_a_page_is_400(api: APIClient, nonsense: str) -> None:
    fields = error(api.get(MESSAGES, {"page_size": nonsense}), 400, "validation_error")["fields"]
    assert fields == {"page_size": ["This must be a whole number from 1 to 500."]}


def test_a_page_that_is_not_there_is_404(api: APIClient) -> None:
    make(1)
    for page in ["0", "-1", "2", "abc", "1.5", "9" * 30, "9" * 5000, "\x00"]:
        error(api.get(MESSAGES, {"page": page}), 404, "not_found")
    assert api.get(MESSAGES, {"page": "١"}).status_code == 200  # Python takes it for a 1


# --- filters -----------------------------------------------------------------------------------------------
def test_a_list_is_filtered_by_status(api: APIClient, subtests: pytest.Subtests) -> None:
    statuses = ["queued", "sending", "sent", "retrying", "failed"]
    for status in statuses:
        make(2, status=status)
    for status in statuses:
        with subtests.test(status):
            rows = ok(api.get(MESSAGES, {"status": status}))["results"]
            assert [row["status"] for row in rows] == [status] * 2


def test_a_list_is_filtered_by_source(api: APIClient, subtests: pytest.Subtests) -> None:
    sources = ["api", "alert", "backup", "django", "sendmail", "test"]
    for source in sources:
        make(2, source=source)
    for source in sources:
        with subtests.test(source):
            rows = ok(api.get(MESSAGES, {"source": source}))["results"]
            assert [row["source"] for row in rows] == [source] * 2


def test_filters_add_up(api: APIClient) -> None:
    make(2, status="sent", source="alert")
    make(3, status="sent")
    assert ok(api.get(MESSAGES, {"status": "sent", "source": "alert"}))["count"] == 2
    assert ok(api.get(MESSAGES, {"status": "failed", "source": "alert"}))["count"] == 0
    assert ok(api.get(MESSAGES, {"status": "", "source": ""}))["count"] == 5


def test_a_filter_value_that_cannot_be_is_refused(api: APIClient, subtests: pytest.Subtests) -> None:
    for value in ["nope", "SENT", "sent,failed", "' OR 1=1 --", "%", "a\x00b", "x" * 5000]:
        for name in ["status", "source"]:
            with subtests.test(ascii((value, name))[:80]):
                assert list(wrong(api.get(MESSAGES, {name: value}))) == [name]


# --- search ------------------------------------------------------------------------------------------------
SEARCHES = [
    ("disk", 1), ("DISK full", 1), ("full disk", 1), ("ops@example", 1), ("<1.2@node", 1), ("%", 1), ("100%", 1),
    ("_", 0), ("' OR 1=1 --", 0), ("#", 0), ("\\", 0), ("", 3), (" ", 3), ("disk nothing", 0), ("größe", 1), ("*", 0),
]  # fmt: skip


@pytest.mark.slow
def test_a_list_is_searched_by_subject_recipient_and_message_id(
    api: APIClient, subtests: pytest.Subtests
) -> None:
    Message.objects.create(subject="Disk is full", message_id="<1.2@node>")
    Message.objects.create(subject="100% Größe", message_id="<3.4@else>")
    Message.objects.create(subject="Other", message_id="<5.6@else>", to=["Ops <ops@example.com>"])
    for word, count in SEARCHES:
        with subtests.test(word):
            assert ok(api.get(MESSAGES, {"search": word}))["count"] == count


def test_a_search_for_very_many_words_is_no_5xx(api: APIClient, subtests: pytest.Subtests) -> None:
    for words in ["a " * 1000, "a b " * 1000]:
        with subtests.test(ascii(words)[:80]):
            assert api.get(MESSAGES, {"search": words}).status_code in {200, 400}


def test_a_search_with_nul_is_refused(api: APIClient) -> None:
    wrong(api.get(MESSAGES, {"search": "a\x00b"}))


def test_a_search_for_anything_else_is_answered(api: APIClient, subtests: pytest.Subtests) -> None:
    for query in ["search=%ff%fe", "search=%ED%A0%80", "search=%F0%9F%94%91", "search=" + "x" * 5000]:
        with subtests.test(ascii(query)[:80]):
            assert ok(api.get(f"{MESSAGES}?{query}"))["count"] == 0


# --- order -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["id", "created_at", "status", "attempts", "next_attempt_at", "sent_at"])
def test_a_list_is_ordered_both_ways(api: APIClient, name: str) -> None:
    now = timezone.now()
    for number, status in enumerate(["failed", "queued", "sent"]):
        moment = now + timedelta(hours=number)
        Message.objects.create(
            subject=str(number), message_id="<x@y>", status=status, attempts=number, created_at=moment,
            next_attempt_at=moment, sent_at=moment,
        )  # fmt: skip
    assert subjects(api.get(MESSAGES, {"ordering": name})) == ["0", "1", "2"]
    assert subjects(api.get(MESSAGES, {"ordering": f"-{name}"})) == ["2", "1", "0"]


def test_another_order_is_refused(api: APIClient, subtests: pytest.Subtests) -> None:
    for value in [
        "nope",
        "body",
        "-body",
        "recipients",
        "lease_owner",
        "status;",
        "?",
        "pk",
        "-",
        "status,x",
    ]:
        with subtests.test(ascii(value)[:80]):
            assert list(wrong(api.get(MESSAGES, {"ordering": value}))) == ["ordering"]


def test_equal_rows_do_not_wander_between_pages(api: APIClient) -> None:
    make(60)
    pages = [
        subjects(api.get(MESSAGES, {"ordering": "status", "page_size": 20, "page": page}))
        for page in (1, 2, 3)
    ]
    assert len({subject for page in pages for subject in page}) == 60


# --- cost --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rows", [1, 60])
@pytest.mark.parametrize(
    ("query", "queries"),
    [
        ("", 3),  # the key and its user, the count, the rows
        # The key, what is newest, what is found, its order, the rows.
        ("?status=queued&source=api&search=mail&ordering=-created_at&page_size=500", 5),
    ],
)
def test_a_page_takes_as_many_queries_whatever_its_size(
    api: APIClient, rows: int, query: str, queries: int, django_assert_num_queries: Any
) -> None:
    make(rows)
    api.get(MESSAGES)  # the first use of the key is noted
    with django_assert_num_queries(queries):
        assert ok(api.get(MESSAGES + query))["count"] == rows


def test_no_list_reads_a_body(api: APIClient) -> None:
    (row,) = make(1)
    for path in (MESSAGES, f"{MESSAGES}/{row.pk}", f"{MESSAGES}?search=s3cret&ordering=status"):
        with CaptureQueriesContext(connection) as asked:
            response = api.get(path)
        assert '"body"' not in "".join(each["sql"] for each in asked.captured_queries)
        assert b"s3cret" not in response.content.replace(b"search=s3cret", b"")


def test_times_are_in_utc(api: APIClient) -> None:
    (row,) = make(1)
    moment = row.created_at.replace(microsecond=0)
    Message.objects.update(sent_at=moment, created_at=moment)
    (shown,) = ok(api.get(MESSAGES))["results"]
    assert all(is_time(shown[name]) for name in ("created_at", "sent_at", "next_attempt_at"))
    assert shown["sent_at"] == moment.isoformat().replace("+00:00", "Z")
