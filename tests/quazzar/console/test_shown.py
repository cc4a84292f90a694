"""Times and states as the console shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailrelay.models import ExpectedSweep, Suppression
from quazzar.console import shown

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(minutes=5), ">11:55 UTC<"),
        (timedelta(days=1), ">21 Nov 12:00 UTC<"),
        (timedelta(days=400), ">18 Oct 2025<"),
    ],
)
def test_a_time_is_as_short_as_it_can_be(ago: timedelta, text: str) -> None:
    assert text in shown.moment(NOON - ago, now=NOON)


def test_the_pointer_gets_the_whole_time() -> None:
    assert 'title="2026-11-22 12:00:00 UTC"' in shown.moment(NOON, now=NOON)


def test_a_distance_has_the_whole_time_beside_it() -> None:
    assert shown.distance(NOON - timedelta(minutes=90), now=NOON) == (
        '<time datetime="2026-11-22T10:30:00+00:00" title="2026-11-22 10:30:00 UTC">90 min ago</time>'
    )


def test_no_time_is_a_dash() -> None:
    assert shown.moment(None) == shown.distance(None) == shown.NOTHING


def test_a_badge_escapes_its_text() -> None:
    assert shown.badge("<b>", "ok") == '<span class="q-badge q-ok">&lt;b&gt;</span>'


@pytest.mark.parametrize(
    ("sentence", "page"),
    [
        (
            "Late since 2026-11-22 10:30 UTC; <b>.",
            'Late since <time datetime="2026-11-22T10:30:00+00:00" title="2026-11-22 10:30:00 UTC" '
            'data-form="moment">22 Nov 10:30 UTC</time>; &lt;b&gt;.',
        ),
        ("Until 2026-12-30.", 'Until <time datetime="2026-12-30">30 Dec 2026</time>.'),
        # Another zone was chosen on purpose; the rest is no time of ours.
        *[
            (text, text)
            for text in (
                "Late since 2026-11-22 10:30 CET.",
                "/backup/2026-11-22/a",
                "db-2026-11-22",
                "2026-13-40",
                "2026-11-22T10:30:00Z",
            )
        ],
    ],
)
def test_times_in_sentences_are_shown_as_the_page_shows_times(
    sentence: str, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quazzar.console.shown.timezone.now", lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert shown.timed(sentence) == page


def test_a_row_keeps_its_name_and_one_without_a_name_begins_like_a_heading() -> None:
    assert shown.heading(Suppression(address="ada@example.com")) == "ada@example.com"
    assert shown.heading(ExpectedSweep()) == "Sweep"
    assert shown.heading("audit entries") == "Audit entries"


def test_an_address_is_broken_after_its_at_and_behind_a_name_begins_a_line() -> None:
    assert shown.address("ada@example.com") == "ada@<wbr>example.com"
    assert shown.address("Ada <ada@example.com>") == (
        'Ada <span class="q-whole">&lt;ada@<wbr>example.com&gt;</span>'
    )
    assert shown.address("no address") == "no address"
