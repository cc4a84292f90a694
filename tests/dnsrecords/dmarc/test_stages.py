"""The staged path none → quarantine → reject."""

from __future__ import annotations

import pytest

from dnsrecords.dmarc.policy import parse
from dnsrecords.dmarc.stages import path

REPORTS = "postmaster@example.com"
RUA = f"rua=mailto:{REPORTS}"


def following(text: str | None) -> tuple[str, str] | None:
    """Policy and record of the first stage that is not reached."""
    steps = path(parse(text) if text is not None else None, REPORTS)
    return next(((step.policy, step.value) for step in steps if not step.reached), None)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        (None, ("none", f"v=DMARC1; p=none; {RUA}")),
        ("v=DMARC1; p=everything", ("none", f"v=DMARC1; p=none; {RUA}")),
        (f"v=DMARC1; p=none; {RUA}; fo=1", ("quarantine", f"v=DMARC1; p=quarantine; {RUA}; fo=1")),
        ("v=DMARC1; p=none; rua=nobody", ("quarantine", f"v=DMARC1; p=quarantine; {RUA}")),
        (f"v=DMARC1; p=quarantine; pct=20; {RUA}", ("quarantine", f"v=DMARC1; p=quarantine; {RUA}")),
        (f"v=DMARC1; p=quarantine; {RUA}", ("reject", f"v=DMARC1; p=reject; {RUA}")),
        (f"v=DMARC1; p=reject; {RUA}", None),
        (f"v=DMARC1; p=quarantine; t=y; {RUA}", ("quarantine", f"v=DMARC1; p=quarantine; {RUA}")),
        (f"v=DMARC1; p=reject; t=y; {RUA}", ("reject", f"v=DMARC1; p=reject; {RUA}")),
        (f"v=DMARC1; p=reject; pct=20; {RUA}", ("reject", f"v=DMARC1; p=reject; {RUA}")),
        (f"v=DMARC1; p=reject; sp=none; {RUA}", ("quarantine", f"v=DMARC1; p=quarantine; {RUA}")),
        (f"v=DMARC1; p=reject; np=quarantine; {RUA}", ("reject", f"v=DMARC1; p=reject; {RUA}")),
        (f"v=DMARC1; p=none; sp=reject; {RUA}", ("quarantine", f"v=DMARC1; p=quarantine; sp=reject; {RUA}")),
    ],
)
def test_the_next_stage_keeps_what_the_record_says_besides(
    text: str | None, step: tuple[str, str] | None
) -> None:
    assert following(text) == step


def test_a_policy_that_is_known_to_hold_is_reached_whatever_the_record_says_of_subdomains() -> None:
    steps = path(parse(f"v=DMARC1; p=quarantine; sp=none; {RUA}"), REPORTS, "quarantine")
    assert [step.reached for step in steps] == [True, True, False]


def test_each_stage_says_what_it_needs() -> None:
    needs = [step.needs for step in path(None, REPORTS)]
    assert len(set(needs)) == 3
    assert all(text.endswith(".") for text in needs)


def test_what_is_offered_is_always_a_policy_that_receivers_heed() -> None:
    for text in ("v=DMARC1; p=none; rua=nobody; pct=3; sp=none", "hello", "v=DMARC1; p=reject; x=y"):
        for step in path(parse(text), REPORTS):
            policy = parse(step.value)
            assert (policy.policy, policy.fatal, bool(policy.reports)) == (step.policy, "", True)
