"""Look-ups that failed."""

from __future__ import annotations

import pytest

from dnsrecords import faults
from dnsrecords.answers import Answer, Outcome
from dnsrecords.verdicts import Status

ANSWERS = {Outcome.FOUND, Outcome.NO_DATA, Outcome.NXDOMAIN}


@pytest.mark.parametrize("outcome", [each for each in Outcome if each not in ANSWERS])
def test_a_failure_is_an_error_with_what_to_do(outcome: Outcome) -> None:
    verdict = faults.fault(Answer("example.com", "MX", outcome))
    assert faults.failed(outcome)
    assert verdict is not None
    assert verdict.status is Status.ERROR
    assert "example.com" in verdict.message
    assert verdict.message.count(".") >= 2


@pytest.mark.parametrize("outcome", sorted(ANSWERS))
def test_an_answer_is_none_though_it_be_empty(outcome: Outcome) -> None:
    assert faults.fault(Answer("example.com", "MX", outcome)) is None
    assert not faults.failed(outcome)


def test_every_failure_has_its_own_sentence() -> None:
    failures = [each for each in Outcome if each not in ANSWERS]
    assert len({str(faults.fault(Answer("example.com", "MX", each))) for each in failures}) == len(failures)
