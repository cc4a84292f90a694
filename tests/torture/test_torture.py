"""A short run of the torture in the light modes, and its own books."""

from __future__ import annotations

import pytest

from tests.rig import or_skip
from tests.torture import checks, rounds
from tests.torture.ledger import Ledger
from tests.torture.modes import LIGHT, MODES

#: Any other is as good: `make torture` takes one at random.
SEED, ROUNDS = 20261130, 8


@pytest.mark.real
@pytest.mark.long
@pytest.mark.thorough
@pytest.mark.parametrize("mode", LIGHT)
def test_nothing_is_lost_or_left_behind_after_rounds_of_random_faults(mode: str) -> None:
    played = or_skip(lambda: list(rounds.run(MODES[mode], SEED, range(1, ROUNDS + 1))))
    for this in played:
        print(this)
    broken = [this for this in played if this.broken]
    assert not broken, "\n".join(f"{this}\n{this.output}\nRepeat it: {this.again}" for this in broken)
    assert sum(this.accepted.total() for this in played) > 10


def test_what_was_accepted_and_did_not_arrive_is_lost_unless_the_provider_refused_it_for_good() -> None:
    ledger = Ledger()
    for token in ("there", "gone", "refused"):
        ledger.accept(token, "api")
    ledger.lose_answer("unanswered", "api")
    ledger.arrive("there")
    assert ledger.lost({"refused"}) == ["gone"]


def test_a_double_needs_a_reason_that_came_between_and_each_reason_is_good_for_so_many() -> None:
    ledger = Ledger()
    for _ in range(2):
        ledger.arrive("before")
    ledger.doubt("a kill", limit=1)
    for token in ("first", "second"):
        ledger.arrivals[token] = [ledger.doubts[0].at - 1, ledger.doubts[0].at + 1]
    allowed, wrong = ledger.doubles()
    assert allowed == {"a kill": 1}
    assert wrong == ["before arrived 2 times", "second arrived 2 times"]
    ledger = Ledger()
    ledger.arrive("only one")
    ledger.doubt("a cut", limit=1, token="other")
    ledger.arrive("only one")
    assert ledger.doubles()[1] == ["only one arrived 2 times"]


def test_what_goes_by_itself_is_no_defect_and_what_stays_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([["a process is left"], []])
    assert checks.lasting(lambda: next(seen)) == []
    monkeypatch.setattr(checks, "PATIENCE", 0.0)
    assert checks.lasting(lambda: ["a process is left"]) == ["a process is left"]
