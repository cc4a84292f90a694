"""Plans, their ranks, and what they hold."""

from __future__ import annotations

from typing import Any

import pytest

from quazzar.plans import entitlements
from quazzar.plans.plans import FEATURE_NAMES, FEATURES, Plan

UPGRADE = {
    "error": "upgrade_required",
    "feature": "orbit_mail",
    "current_plan": "community",
    "required_plan": "pro",
    "message": "Mail Relay requires Orbit Pro.",
    "upgrade_url": "/api/billing/upgrade",
}


def test_plans_rank_from_community_to_enterprise() -> None:
    assert [plan.id for plan in sorted(Plan)] == ["community", "pro", "business", "enterprise"]


def test_mail_relay_is_held_from_pro_upwards(subtests: pytest.Subtests, plan: Any) -> None:
    for name, held in [("community", False), ("pro", True), ("business", True), ("enterprise", True)]:
        with subtests.test(name=name, held=held):
            plan(name)
            assert entitlements.current().id == name
            assert entitlements.has("orbit_mail") is held


def test_the_body_of_a_402_is_the_ecosystems(plan: Any) -> None:
    plan("community")
    assert entitlements.upgrade_required_body("orbit_mail") == UPGRADE


def test_every_feature_has_a_name() -> None:
    assert FEATURES.keys() == FEATURE_NAMES.keys()


def test_a_plan_has_one_exact_id(subtests: pytest.Subtests) -> None:
    for word in ["", "Pro", "PRO", "galactic", "id"]:
        with subtests.test(word=word):
            assert Plan.by_id("pro") is Plan.PRO
            assert Plan.by_id(word) is None


def test_every_plan_holds_what_the_lower_ones_hold() -> None:
    assert [plan.features for plan in Plan] == [[], ["orbit_mail"], ["orbit_mail"], ["orbit_mail"]]
