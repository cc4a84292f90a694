"""Sizes, counts, times and foreign texts as people read them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from quazzar import words


def test_a_time_is_read_into_utc(subtests: pytest.Subtests) -> None:
    for text, time in [
        ("2026-11-03T12:04:30Z", "2026-11-03T12:04:30+00:00"),
        ("2026-11-03t12:04:30z", "2026-11-03T12:04:30+00:00"),
        ("2026-11-03 14:04:30+02:00", "2026-11-03T12:04:30+00:00"),
        ("2026-11-03T12:04:30.123456789Z", "2026-11-03T12:04:30.123456+00:00"),
        ("2026-11-03T12:04:30+0000", "2026-11-03T12:04:30+00:00"),
        ("2026-11-03T12:04Z", "2026-11-03T12:04:00+00:00"),
        ("2026-11-03 14:04:30 +02", "2026-11-03T12:04:30+00:00"),
        ("Tue, 03 Nov 2026 14:04:30 +0200", "2026-11-03T12:04:30+00:00"),
    ]:
        with subtests.test(text=text, time=time):
            assert words.parse_time(text).isoformat() == time


def test_what_is_no_time_with_its_zone_is_refused(subtests: pytest.Subtests) -> None:
    for text in [
        "",
        "now",
        "2026-11-03",
        "2026-11-03T12:04:30",
        "20261103T120430Z",
        "2026-13-03T12:04:30Z",
        "2026-11-03T25:04:30Z",
        "2026-W45-2T12:04:30Z",
        "0001-01-01T00:00:00+05:00",
        "2026-11-03T12:04:30Z\n",
    ]:
        with subtests.test(text=text), pytest.raises(ValueError):
            words.parse_time(text)


def test_a_moment_is_shown_in_utc() -> None:
    assert words.moment(datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)) == "2026-11-03 04:05:06 UTC"


def test_sentences_have_minutes_with_a_zone_and_days() -> None:
    at = datetime(2026, 11, 3, 23, 5, 6, tzinfo=UTC)
    assert words.minute(at) == "2026-11-03 23:05 UTC"
    assert words.minute(at, ZoneInfo("Europe/Berlin")) == "2026-11-04 00:05 CET"
    assert words.day(at) == "2026-11-03"


def test_a_duration_is_shown_in_its_two_largest_units(subtests: pytest.Subtests) -> None:
    for seconds, shown in [
        (0, "0 s"),
        (0.4, "0 s"),
        (38, "38 s"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (3900, "1 h 5 min"),
        (3605, "1 h"),
        (266_400, "3 d 2 h"),
    ]:
        with subtests.test(seconds=seconds, shown=shown):
            assert words.duration(timedelta(seconds=seconds)) == shown


def test_a_span_has_one_unit(subtests: pytest.Subtests) -> None:
    for seconds, down, up in [
        (0, "0 s", "0 s"),
        (0.4, "0 s", "1 s"),
        (59, "59 s", "59 s"),
        (59.5, "59 s", "1 min"),
        (61, "1 min", "2 min"),
        (7199, "119 min", "2 h"),
        (7201, "2 h", "3 h"),
        (86_400, "24 h", "24 h"),
        (172_801, "2 days", "3 days"),
        (-5, "0 s", "0 s"),
    ]:
        with subtests.test(seconds=seconds, down=down, up=up):
            length = timedelta(seconds=seconds)
            assert (words.span(length), words.span(length, up=True)) == (down, up)


def test_a_distance_says_in_which_direction(subtests: pytest.Subtests) -> None:
    for away, shown in [
        (timedelta(0), "just now"),
        (timedelta(seconds=0.5), "now"),
        (timedelta(seconds=4), "in 4 s"),
        (timedelta(minutes=-90), "90 min ago"),
        (timedelta(days=3, hours=5), "in 3 days"),
    ]:
        with subtests.test(away=away, shown=shown):
            assert words.distance(away) == shown


def test_a_size_is_shown_in_binary_units(subtests: pytest.Subtests) -> None:
    for number, shown in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (150 * 1024, "150 KiB"),
        (1048575, "1 MiB"),
        (int(2.25 * 2**30), "2.2 GiB"),
        (13_207_024_435, "12.3 GiB"),
        (2**60, "1024 PiB"),
    ]:
        with subtests.test(number=number, shown=shown):
            assert words.size(number) == shown


def test_a_count_agrees_with_its_noun() -> None:
    assert words.count(1, "key") == "1 key"
    assert words.count(0, "key") == "0 keys"
    assert words.count(3412, "mailbox", "mailboxes") == "3,412 mailboxes"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gro.\u202eelpmaxe", "right-to-left override, U+202E"),
        ("a\u200bb", "zero width space, U+200B"),
        ("\u3164", "hangul filler, U+3164"),
        ("مريم", ""),
        ("می\u200cخواهم", ""),  # Persian needs this joiner
        ("👩\u200d💻 Ada", ""),
    ],
)
def test_characters_that_nobody_sees_are_named_and_left_out(text: str, found: str) -> None:
    assert words.unseen(text) == found
    assert words.seen(text) == ("".join(char for char in text if char not in "\u202e\u200b\u3164"))


def test_one_line_has_no_breaks_controls_overrides_or_half_characters() -> None:
    assert words.one_line(" a\r\nb\tc\x00d\u2028e\u202ef\ud800g ") == "a b c d e f g"


def test_lines_keep_breaks_and_tabs_only() -> None:
    assert words.lines("a\r\nb\rc\n\td\x1b[31me\x00\ud800") == "a\nb\nc\n\tde"


def test_what_is_cut_shows_it() -> None:
    assert words.one_line("x" * 20, 10) == "xxxxxxxxx…"
    assert words.lines("x" * 20, 20) == "x" * 20


# ECMA-48 §5.4 (control sequences), §5.6 (control strings), and what terminals make of them.
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mNo space\x1b[0m left", "No space left"),
        ("\x1b[38;5;196ma\x1b[38:2::1:2:3mb\x1b[m", "ab"),
        ("\x1b[2Ka\x1b[1;1Hb\x1b[?25l\x1b[0 q", "ab"),
        ("\x9b1ma\x9b0m", "a"),
        ("\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x07a", "a"),
        ("\x1b(Ba\x1b)0b\x1b=c\x1bMd", "abcd"),
        ("\x1b]0;never ended\nnext", "0;never ended next"),
        ("a\x1b[1;31", "a"),
        ("a\x1b", "a"),
        ("[1m stays", "[1m stays"),
    ],
)
def test_colour_codes_go_as_a_whole(text: str, shown: str) -> None:
    assert words.one_line(text) == shown
    assert words.lines(text).replace("\n", " ") == shown


def test_half_a_character_is_no_time() -> None:
    assert words.read_time("\ud800") is None


@pytest.mark.parametrize("piece", ["\x9d", "\x1b]", "\x1b[", "\x1b", "\x9b0", "\x90a"])
def test_endless_escapes_are_read_once(piece: str) -> None:
    assert len(words.lines(piece * 200_000)) <= 10_000
