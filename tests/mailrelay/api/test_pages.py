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
from mailrelay.queue import counts, outbox, retention

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
    found = [(path, api.get(path)) for path in PATHS]
    return [(path, answer.status_code, answer.json()) for path, answer in found]


@pytest.mark.parametrize("missing", [False, True])
def test_a_long_list_has_the_pages_of_a_short_one(
    api: APIClient, queued: Callable[..., Message], monkeypatch: pytest.MonkeyPatch, missing: bool
) -> None:
    rows = [queued(subject=f"Disk {number}") for number in range(12)]
    ids = [row.pk for row in outbox.claim("me", 6)]
    outbox.record_sent("me", ids)
    counts.add({"sent": 6})
    if missing:
        retention.remove(Message.objects.filter(pk__in=[rows[2].pk, rows[8].pk]))
    short = answers(api)
    monkeypatch.setattr(pages, "_FEW", 4)
    with CaptureQueriesContext(connection) as taken:
        assert answers(api) == short
    cut_by_id = [one for one in taken.captured_queries if '"id" <=' in one["sql"]]
    assert bool(cut_by_id) is not missing
