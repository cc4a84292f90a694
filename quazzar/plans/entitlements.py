"""What the licence allows this node now."""

from __future__ import annotations

from quazzar.plans import licenses
from quazzar.plans.plans import FEATURE_NAMES, FEATURES, Plan

UPGRADE_URL = "/api/billing/upgrade"


def current() -> Plan:
    """The plan that is in force now."""
    return licenses.read().plan


def has(feature: str) -> bool:
    """Whether the plan in force includes the feature (a key of ``FEATURES``)."""
    return current() >= FEATURES[feature]


def upgrade_required_body(feature: str) -> dict[str, str]:
    """The body of a 402 answer; all products of the family send the same."""
    required = FEATURES[feature]
    return {
        "error": "upgrade_required",
        "feature": feature,
        "current_plan": current().id,
        "required_plan": required.id,
        "message": f"{FEATURE_NAMES[feature]} requires {required.title}.",
        "upgrade_url": UPGRADE_URL,
    }
