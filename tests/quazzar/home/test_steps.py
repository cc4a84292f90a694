"""The first steps: done when their facts are seen, and remembered when the facts are deleted later."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User

from mailboxes.models import Domain, Stack
from mailrelay.models import AlertState, RelaySettings
from mailrelay.queue import counts
from quazzar.home import steps
from quazzar.home.registry import Link, Step
from quazzar.home.steps import Checklist, Taken
from quazzar.models import FirstStep, Operator

pytestmark = pytest.mark.django_db


def done(user: User) -> set[str]:
    return {taken.step.key for taken in steps.read(user).steps if taken.is_done}


def needed(user: User) -> set[str]:
    return {taken.step.key for taken in steps.read(user).steps if taken.is_needed}


def test_a_fresh_node_has_everything_but_the_password_before_it(operator: User) -> None:
    checklist = steps.read(operator)
    assert [taken.step.key for taken in checklist.steps][:2] == ["password", "second factor"]
    assert done(operator) == {"password"}
    assert {"way out", "test mail", "alert"} <= needed(operator)


def test_each_fact_ticks_its_step(operator: User, subtests: pytest.Subtests) -> None:
    facts: dict[str, Callable[[], object]] = {
        "way out": lambda: RelaySettings.objects.create(pk=1, host="smtp.example.com"),
        "test mail": lambda: counts.add({"sent": 1}),
        "alert": lambda: AlertState.objects.create(key="a", digest="d"),
        "domain": lambda: Domain.objects.create(name="example.com"),
    }
    for key, happens in facts.items():
        with subtests.test(step=key):
            assert key not in done(operator)
            happens()
            assert key in done(operator)


def test_a_printed_password_is_the_first_step(operator: User) -> None:
    Operator.objects.create(user=operator, must_change_password=True)
    assert "password" not in done(operator)


def test_domain_and_dns_are_needed_only_with_a_mail_server(operator: User) -> None:
    assert not {"domain", "dns"} & needed(operator)
    Stack.objects.create(pk=1, hostname="mail.example.com", enabled=True)
    assert {"domain", "dns"} <= needed(operator)
    assert "way out" in done(operator)


def test_what_was_done_once_stays_done(operator: User) -> None:
    AlertState.objects.create(key="a", digest="d")
    assert steps.remember() == ["alert"]
    assert steps.remember() == []
    AlertState.objects.all().delete()
    assert "alert" in done(operator)
    assert not FirstStep.objects.filter(key="password").exists()


def test_operators_see_the_steps_that_they_can_take(other_staff: User, subtests: pytest.Subtests) -> None:
    for role, keys in (
        ("Mail admin", {"way out", "test mail", "alert", "domain", "dns"}),
        ("Sender", {"alert"}),
        ("Viewer", set()),
    ):
        with subtests.test(role=role):
            other_staff.groups.set([Group.objects.get(name=role)])
            user = User.objects.get(pk=other_staff.pk)
            assert {taken.step.key for taken in steps.read(user).steps} - {
                "password",
                "second factor",
            } == keys


def checklist(*taken: tuple[bool, bool]) -> Checklist:
    step = Step("x", "X", "", Link("Go", "admin:index"), lambda user: True)
    return Checklist(tuple(Taken(step, is_done, is_needed) for is_done, is_needed in taken))


#: Steps (done, needed), what the operator has chosen → whether they are shown.
SHOWN = [
    ([(True, True), (False, True)], steps.AUTO, True),
    ([(True, True), (False, False)], steps.AUTO, False),
    ([(True, True), (False, False)], steps.SHOWN, True),
    ([(False, True)], steps.HIDDEN, False),
    ([], steps.SHOWN, False),
]


def test_they_disappear_when_done_or_hidden_and_can_be_called_back(subtests: pytest.Subtests) -> None:
    for taken, choice, is_shown in SHOWN:
        with subtests.test(choice=choice, taken=taken):
            assert steps.is_shown(checklist(*taken), choice) is is_shown


def test_the_choice_is_each_operators_own(operator: User, other_staff: User) -> None:
    steps.choose(operator, steps.HIDDEN)
    assert (steps.choice_of(operator), steps.choice_of(other_staff)) == (steps.HIDDEN, steps.AUTO)
