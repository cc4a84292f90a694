"""What this node may do now, by its licence."""

from __future__ import annotations

from quazzar.plans import licenses
from quazzar.plans.plans import FEATURE_NAMES, FEATURES, Plan

UPGRADE_URL = "/api/billing/upgrade"


def current() -> Plan:
    """The plan that is in force at this moment."""
    return licenses.read().plan


def has(feature: str) -> bool:
    """Whether the plan in force holds the feature."""
    return current() >= FEATURES[feature]


def upgrade_required_body(feature: str) -> dict[str, str]:
    """The one body of a 402, the same everywhere in the ecosystem."""
    required = FEATURES[feature]
    return {
        "error": "upgrade_required",
        "feature": feature,
        "current_plan": current().id,
        "required_plan": required.id,
        "message": f"{FEATURE_NAMES[feature]} requires {required.title}.",
        "upgrade_url": UPGRADE_URL,
    }
