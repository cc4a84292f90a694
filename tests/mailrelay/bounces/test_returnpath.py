"""The signed envelope sender of a message: short, not case-sensitive, and not to be forged."""

from __future__ import annotations

import pytest

from mailrelay.bounces import returnpath

KEY, OTHER = b"k" * 32, b"o" * 32
PATH = returnpath.at("bounces@example.org", KEY)
MESSAGE_ID = "<disk-92@example.org>"


def test_a_bounce_names_its_message() -> None:
    sender = PATH.of(4711, MESSAGE_ID)
    (claim,) = returnpath.claims([sender])
    assert claim.pk == 4711
    assert claim.holds(MESSAGE_ID, [KEY])


@pytest.mark.parametrize("pk", [1, 2**31, 2**40 - 1])
def test_the_longest_local_part_has_64_octets(pk: int) -> None:
    path = returnpath.at(f"{'b' * returnpath.LONGEST_LOCAL}@example.org", KEY)
    assert len(path.of(pk, MESSAGE_ID).partition("@")[0]) == 64


def test_case_does_not_matter() -> None:
    (claim,) = returnpath.claims([PATH.of(4711, MESSAGE_ID).upper()])
    assert claim.holds(MESSAGE_ID, [KEY])


def test_a_key_that_was_rotated_away_from_still_counts() -> None:
    (claim,) = returnpath.claims([PATH.of(4711, MESSAGE_ID)])
    assert claim.holds(MESSAGE_ID, [OTHER, KEY])


def test_another_message_or_key_does_not_count() -> None:
    (claim,) = returnpath.claims([PATH.of(4711, MESSAGE_ID)])
    assert not claim.holds("<other@example.org>", [KEY])
    assert not claim.holds(MESSAGE_ID, [OTHER])


def test_every_flipped_letter_is_noticed() -> None:
    local, _, domain = PATH.of(4711, MESSAGE_ID).partition("@")
    for place in range(len("bounces+"), len(local)):
        flipped = "a" if local[place] != "a" else "b"
        changed = f"{local[:place]}{flipped}{local[place + 1 :]}@{domain}"
        assert not any(
            claim.pk == 4711 and claim.holds(MESSAGE_ID, [KEY]) for claim in returnpath.claims([changed])
        )


@pytest.mark.parametrize(
    "address", ["", "bounces@example.org", "bounces+x@example.org", f"b+{'ä' * 24}@x", f"b+{'1' * 24}@x"]
)
def test_other_addresses_claim_nothing(address: str) -> None:
    assert returnpath.claims([address]) == []


def test_the_key_is_in_no_repr() -> None:
    assert "kkk" not in repr(PATH)
