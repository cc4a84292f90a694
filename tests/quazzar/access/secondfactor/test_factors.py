"""Recovery codes, how often codes may be guessed, and removing all factors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from quazzar.access.secondfactor import attempts, factors, recovery, totp
from quazzar.models import Operator, Passkey, RecoveryCode

pytestmark = pytest.mark.django_db


@pytest.fixture
def app(operator: User) -> pyotp.TOTP:
    """The operator's app; no code of it was used."""
    secret = totp.new_secret()
    Operator.objects.create(user=operator, totp_secret=secret, totp_since=timezone.now())
    return pyotp.TOTP(secret)


def test_each_recovery_code_counts_once_however_it_is_typed(operator: User, other_staff: User) -> None:
    codes = recovery.make(operator)
    assert len(set(codes)) == recovery.COUNT == recovery.left(operator)
    assert not recovery.use(other_staff, codes[0])
    assert recovery.use(operator, codes[0].upper().replace("-", " "))
    assert not recovery.use(operator, codes[0])
    assert recovery.left(operator) == 9


def test_new_recovery_codes_replace_the_old_ones(operator: User) -> None:
    old, new = recovery.make(operator), recovery.make(operator)
    assert not recovery.use(operator, old[0]) and recovery.use(operator, new[0])


def test_recovery_codes_are_not_in_the_database(operator: User) -> None:
    codes = recovery.make(operator)
    stored = str(list(RecoveryCode.objects.values()))
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


@pytest.mark.slow
def test_an_answer_is_a_code_of_the_app_or_a_recovery_code(operator: User, app: pyotp.TOTP) -> None:
    codes = recovery.make(operator)
    assert factors.answer(operator, app.now()) == factors.Answer(right=True)
    assert factors.answer(operator, codes[0]) == factors.Answer(right=True, by_recovery=True)
    assert factors.answer(operator, codes[0]) == factors.Answer()
    assert factors.answer(operator, "000 000 0") == factors.Answer()


def test_after_ten_wrong_codes_none_counts_for_a_quarter_of_an_hour(operator: User, app: pyotp.TOTP) -> None:
    codes = recovery.make(operator)
    for _ in range(attempts.MOST):
        assert factors.answer(operator, "12345") == factors.Answer()
    for code in (app.now(), codes[0]):
        assert factors.answer(operator, code) == factors.Answer(resting=True)
    Operator.objects.update(code_tried_at=timezone.now() - attempts.REST + timedelta(seconds=9))
    assert factors.answer(operator, app.now()).resting
    Operator.objects.update(code_tried_at=timezone.now() - attempts.REST)
    assert factors.answer(operator, app.now()).right


def test_a_right_code_forgets_the_wrong_ones(operator: User, app: pyotp.TOTP) -> None:
    codes = recovery.make(operator)
    for code in codes[:3]:
        for _ in range(attempts.MOST - 1):
            factors.answer(operator, "12345")
        assert factors.answer(operator, code).right


def test_an_attempt_is_one_statement_so_that_parallel_guesses_all_count(
    operator: User, django_assert_num_queries: Any
) -> None:
    attempts.take(operator)
    with django_assert_num_queries(2) as queries:
        attempts.take(operator)
    assert queries[-1]["sql"].startswith("UPDATE")
    assert connection.vendor in ("sqlite", "postgresql")


def test_what_somebody_holds(operator: User, other_staff: User, app: pyotp.TOTP) -> None:
    recovery.make(operator)
    Passkey.objects.create(
        user=operator, name="Phone", host="mail.example", credential_id="i", credential=b"c"
    )
    held = factors.of(operator)
    assert held and held.app_works and held.codes_left == 10
    assert [key.name for key in held.passkeys_for("mail.example")] == ["Phone"]
    assert held.passkeys_for("other.example") == []
    assert not factors.of(other_staff) and not factors.has_any(other_staff)


def test_taking_everything_away_leaves_nothing(operator: User, app: pyotp.TOTP) -> None:
    codes = recovery.make(operator)
    Passkey.objects.create(
        user=operator, name="Phone", host="mail.example", credential_id="i", credential=b"c"
    )
    assert factors.remove_all(operator) and not factors.has_any(operator)
    assert not factors.answer(operator, codes[0]).right and not factors.answer(operator, app.now()).right
    assert not factors.remove_all(operator)


def test_a_passkey_alone_is_a_second_factor(operator: User) -> None:
    Passkey.objects.create(
        user=operator, name="Phone", host="mail.example", credential_id="i", credential=b"c"
    )
    assert factors.has_any(operator) and factors.of(operator)
