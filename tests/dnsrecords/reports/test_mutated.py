"""Reports that were damaged at random are read or refused; none crashes anything."""

from __future__ import annotations

import gzip
import random

import pytest

from dnsrecords.reports import unpacking
from dnsrecords.reports.values import Unfit
from tests.dnsrecords.reports.shapes import DMARC, TLS, Shape
from tests.fuzz.reporttargets import check
from tests.tiers import fewer

pytestmark = pytest.mark.slow
#: For each shape; more than 10,000 together in the long run.
EACH = fewer(30, 320)
PIECES = (
    b"<",
    b">",
    b"&",
    b"</record>",
    b"<record>",
    b"\x00",
    b"\xff",
    b"9" * 40,
    b"-1",
    b"[",
    b"}",
    b"1e999",
    b"null",
    b"\r\n\r\n",
)


def mutated(data: bytes, dice: random.Random) -> bytes:
    """The bytes with a few places changed, cut, doubled or swapped."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        start = dice.randrange(len(changed) + 1)
        end = min(start + dice.randint(0, 40), len(changed))
        match dice.randrange(5):
            case 0 if start < len(changed):
                changed[start] = dice.randrange(256)
            case 1:
                del changed[start:end]
            case 2:
                changed[start:start] = changed[start:end]
            case 3:
                changed[start:start] = dice.choice(PIECES)
            case _:
                changed = changed[end:] + changed[:start] if dice.random() < 0.1 else changed
    return bytes(changed)


@pytest.mark.parametrize("shape", [*DMARC, *TLS], ids=lambda shape: shape.name)
def test_a_damaged_report_is_read_or_refused(shape: Shape) -> None:
    dice = random.Random(shape.name)
    read = 0
    for number in range(EACH):
        data = mutated(shape.data, dice)
        try:
            # Damage inside a package hardly ever gets past its checksum.
            for report in unpacking.reports(gzip.compress(data, 1) if number % 4 == 0 else data):
                check(report)
            read += 1
        except Unfit as exc:
            assert exc.message.endswith(".")
    assert EACH * (len(DMARC) + len(TLS)) > fewer(900, 10_000)
    assert read < EACH
