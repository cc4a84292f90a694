"""Look-ups that failed."""

from __future__ import annotations

from dnsrecords import faults
from dnsrecords.answers import Answer, Outcome
from dnsrecords.verdicts import Status

ANSWERS = {Outcome.FOUND, Outcome.NO_DATA, Outcome.NXDOMAIN}


def test_each_failure_is_an_error_with_a_sentence_of_its_own_and_what_to_do() -> None:
    sentences = set()
    for outcome in set(Outcome) - ANSWERS:
        verdict = faults.fault(Answer("example.com", "MX", outcome))
        assert faults.failed(outcome)
        # Nothing is known about a question that was not asked.
        unasked = outcome is Outcome.UNASKED
        assert verdict is not None and verdict.status is (Status.UNCHECKED if unasked else Status.ERROR)
        assert "example.com" in verdict.message
        assert verdict.message.count(".") >= 2
        sentences.add(verdict.message)
    assert len(sentences) == len(Outcome) - len(ANSWERS)


def test_an_answer_is_no_failure_though_it_be_empty() -> None:
    for outcome in ANSWERS:
        assert faults.fault(Answer("example.com", "MX", outcome)) is None
        assert not faults.failed(outcome)
