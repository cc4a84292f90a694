"""Requests made up from the OpenAPI description, by every kind of caller: no 5xx, and every answer as documented.

``make fuzz`` tries many more.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz import api, contract
from tests.fuzz.world import CALLERS, furnish, nowhere
from tests.tiers import fewer, some

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _node() -> Iterator[None]:
    contract.may.cache_clear()
    with nowhere():
        furnish()
        yield


@pytest.mark.parametrize("caller", some(CALLERS, 4))
def test_every_answer_is_one_that_the_caller_may_get(caller: str) -> None:
    outcome = api.attack(caller, seed=1, examples=fewer(1, 3), thorough=False)
    assert outcome.failures == {}
    assert sum(outcome.cases.values()) > 90
    assert (
        set(outcome.statuses) == {401, 200} if caller == "anonymous" else {200, 403} & set(outcome.statuses)
    )


def test_the_contract_tells_what_breaks_it() -> None:
    class Answer:
        status_code, content, headers = (
            403,
            b'{"error": "x", "message": "No", "trace": 1}',
            {"allow": ["GET"]},
        )
        request = type("Request", (), {"url": "http://localhost/api/mail/relay"})

    wrong = contract.breaches("Owner", "/api/mail/relay", "GET", Answer)
    for part in ("who may, got 403", "the error is none", "cache-control"):
        assert part in "; ".join(wrong).lower(), wrong
