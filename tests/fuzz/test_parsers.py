"""Made-up bytes for every parser and renderer: nothing but an answer or its own error, and no property broken.

``make fuzz`` tries many more, and guided by which code is reached.
"""

from __future__ import annotations

import pytest

from tests.fuzz import parsers
from tests.fuzz.target import TARGETS, Target
from tests.tiers import fewer

pytestmark = [pytest.mark.long, pytest.mark.slow]


def test_whatever_comes_there_is_an_answer_or_the_error_for_it() -> None:
    tried = parsers.Tried()
    for target in TARGETS.values():
        parsers.attack(target, examples=fewer(8, 60), seed=1, tried=tried)
    assert tried.failures == {}
    assert len(TARGETS) > 70 and tried.cases > 10 * len(TARGETS) > 100
    assert 0.3 < tried.taken / tried.cases < 0.95


def test_a_fault_is_found_and_shown_with_what_causes_it() -> None:
    def breaks(data: bytes) -> None:
        assert b"\n" not in data

    def explodes(data: bytes) -> None:
        sum(1 for _ in data for _ in data[:3000])

    tried = parsers.Tried()
    parsers.attack(Target("breaks", breaks, (), (b"ab",), True), examples=200, seed=1, tried=tried)
    assert "AssertionError" in tried.failures["breaks"]
    parsers.growth(Target("square", explodes, (), (b"ab",), False), tried)
    assert "square" not in tried.failures
