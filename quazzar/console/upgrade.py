"""The upgrade dialog: the plans side by side, and a licence to paste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from quazzar import words
from quazzar.plans import keys, licenses
from quazzar.plans.plans import EVALUATION_DAYS, FEATURE_ADDS, FEATURE_NAMES, FEATURES, Plan

#: Query parameter that shows the dialog open, for browsers without JavaScript.
OPEN = "upgrade"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A licence that was pasted and refused, and why."""

    pasted: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: a plan, and which features it includes."""

    name: str
    held: list[bool]
    current: bool


def dialog(request: HttpRequest, feature: str, refusal: Refusal | None) -> dict[str, Any]:
    """The context of the dialog's template."""
    licence = licenses.read()
    return {
        "licence": licence,
        "plan": licence.plan,
        "plan_features": [FEATURE_NAMES[name] for name in FEATURES],
        "plan_rows": [
            Row(plan.title, [plan >= lowest for lowest in FEATURES.values()], plan == licence.plan)
            for plan in Plan
        ],
        "needed": FEATURES[feature],
        "adds": FEATURE_ADDS[feature],
        "same": " and ".join(plan.title for plan in Plan if plan > FEATURES[feature]),
        "evaluation_days": None if keys.configured() else EVALUATION_DAYS,
        "is_evaluation": licence.is_evaluation,
        "left": words.span(licence.expires_at - timezone.now()) if licence.expires_at else "",
        "licence_problem": licence.problem,
        "licence_missing": licence.code == "license_missing",
        "refusal": refusal,
        "upgrade_open": refusal is not None or OPEN in request.GET,
        "feature": feature,
    }
