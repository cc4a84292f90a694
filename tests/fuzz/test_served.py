"""Made-up requests over real HTTP, to a node as `manage.py up` starts it. ``make fuzz WHAT=served`` tries many more."""

from __future__ import annotations

import pytest

from tests.fuzz import served
from tests.rig import or_skip

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.thorough]


def test_over_http_too_every_answer_is_one_that_the_caller_may_get() -> None:
    reports = or_skip(lambda: list(served.reports(1, "anonymous", "Mail admin")))
    assert [(report["caller"], report["failures"]) for report in reports] == [
        ("anonymous", {}),
        ("Mail admin", {}),
    ]
    assert all(sum(report["cases"].values()) > 90 for report in reports)
    assert set(reports[0]["statuses"]) == {"200", "401"}
