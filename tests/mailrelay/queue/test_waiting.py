"""What holds messages up, and what makes them due again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailrelay.models import Message
from mailrelay.queue import byhand, outbox

pytestmark = pytest.mark.django_db
Queue = Callable[..., Message]


HELD: list[tuple[dict[str, Any], str | None]] = [
    ({"stage": "connect", "code": None, "message": "no answer"}, "connect"),
    ({"stage": "auth", "code": 535, "message": "no"}, "auth"),
    ({"stage": "auth", "code": None, "message": "no key", "keys": "aa"}, "password"),
    ({"stage": "data", "code": None, "message": "no key", "keys": "aa"}, "key"),
    ({"stage": "data", "code": 451, "message": "later"}, None),
    ({"stage": "recipient", "code": 450, "message": "later"}, None),
]


def test_a_message_tells_what_must_be_mended_before_it_leaves(queued: Queue) -> None:
    for error, waits_for in HELD:
        row = queued()
        (claimed,) = outbox.claim("me", 1)
        assert outbox.record_failure("me", claimed, error, permanent=False) == "retrying"
        row.refresh_from_db()
        assert row.waits_for == waits_for, error
    assert outbox.bring_forward() == 3  # not those that wait for a key, or for their own time
    assert outbox.bring_forward_unreadable("aa") == 0
    assert outbox.bring_forward_unreadable("bb") == 1
    assert len(outbox.claim("me", 100)) == 4
    assert set(Message.objects.filter(status="sending").values_list("waits_for", flat=True)) == {None}


def test_what_is_given_up_or_done_by_hand_waits_for_nothing(queued: Queue) -> None:
    error = HELD[0][0]
    rows = [queued() for _ in range(3)]
    for claimed in outbox.claim("me", 3):
        outbox.record_failure("me", claimed, error, permanent=claimed.pk == rows[0].pk)
    byhand.retry(rows[1])
    byhand.cancel(rows[2])
    assert list(Message.objects.order_by("pk").values_list("status", "waits_for")) == [
        ("failed", None),
        ("queued", None),
        ("failed", None),
    ]


def test_changed_settings_are_tried_with_some_of_the_mail_that_waits(
    queued: Queue, rings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_FIRST", 2)
    for _ in range(5):
        queued()
    for claimed in outbox.claim("me", 5):
        outbox.record_failure("me", claimed, HELD[1][0], permanent=False)
    assert not outbox.anything_due()
    outbox.follow_relay()
    assert len(outbox.claim("me", 100)) == 2
    monkeypatch.setattr(outbox, "_PORTION", 2)
    assert outbox.bring_forward() == 3
    assert len(outbox.claim("me", 100)) == 3
