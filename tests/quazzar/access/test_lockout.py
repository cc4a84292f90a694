"""Failed sign-ins lock a name from an address, and an address."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from quazzar import tasks
from quazzar.access import lockout
from quazzar.models import Session

pytestmark = pytest.mark.django_db
HOME = "198.51.100.7"
AWAY = "203.0.113.9"
#: What the sign-in page answers: the form again, the lock, or the console.
AGAIN, LOCKED, IN = 200, 429, 302


def sign_in(name: str, password: str = "wrong", address: str = HOME, **headers: Any) -> int:
    form = {"username": name, "password": password}
    return Client().post("/admin/login/", form, REMOTE_ADDR=address, **headers).status_code


def guess(count: int, address: str = HOME, **headers: Any) -> int:
    """Guess with another name each time, as fast lists do; the last answer."""
    return [sign_in(f"name{number}", address=address, **headers) for number in range(count)][-1]


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """Fewer guesses lock an address, for what is the same after fifty of them."""
    monkeypatch.setattr(lockout, "ADDRESS_LIMIT", 12)
    return lockout.ADDRESS_LIMIT


@pytest.mark.slow
def test_ten_guesses_at_a_name_lock_it_from_that_address_alone(operator: User) -> None:
    assert [sign_in("operator") for _ in range(10)] == [AGAIN] * 9 + [LOCKED]
    assert sign_in("operator", "operator-pass") == LOCKED
    assert sign_in("operator", "operator-pass", AWAY) == IN
    assert sign_in("other") == AGAIN


@pytest.mark.slow
def test_fifty_guesses_at_any_names_lock_the_address_alone(operator: User) -> None:
    assert guess(49) == AGAIN
    assert guess(1) == LOCKED
    assert sign_in("operator", "operator-pass") == LOCKED
    assert sign_in("operator", "operator-pass", AWAY) == IN


@pytest.mark.slow
def test_a_locked_address_costs_no_password_hash(
    operator: User, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    guess(limit)
    monkeypatch.setattr(User, "check_password", pytest.fail)
    monkeypatch.setattr(User, "set_password", pytest.fail)
    assert sign_in("operator", "operator-pass") == LOCKED
    assert sign_in("nobody") == LOCKED


@pytest.mark.slow
def test_a_host_on_ipv6_does_not_get_more_guesses_by_changing_its_address(operator: User, limit: int) -> None:
    for number in range(limit):
        sign_in(f"name{number}", address=f"2001:db8:0:1::{number:x}")
    assert sign_in("operator", "operator-pass", "2001:db8:0:1:ffff::1") == LOCKED
    assert sign_in("operator", "operator-pass", "2001:db8:0:2::1") == IN


@pytest.mark.slow
def test_an_account_of_ones_own_does_not_reset_guesses_at_others(
    operator: User, other_staff: User, limit: int
) -> None:
    assert guess(limit - 1) == AGAIN
    assert sign_in("other", "other-pass") == IN
    assert guess(1) == LOCKED


@pytest.mark.slow
def test_a_success_forgets_typing_mistakes_in_that_name(operator: User) -> None:
    for _ in range(9):
        sign_in("operator")
    assert sign_in("operator", "operator-pass") == IN
    assert sign_in("operator") == AGAIN


@pytest.mark.slow
def test_behind_a_trusted_proxy_the_client_is_locked_and_nobody_else(
    operator: User, limit: int, settings: Any
) -> None:
    settings.QUAZZAR_TRUSTED_PROXIES = [ip_network("127.0.0.0/8")]
    guess(limit, "127.0.0.1", HTTP_X_FORWARDED_FOR=f"10.0.0.1, {HOME}")
    assert sign_in("operator", "operator-pass", "127.0.0.1", HTTP_X_FORWARDED_FOR=HOME) == LOCKED
    assert sign_in("operator", "operator-pass", "127.0.0.1", HTTP_X_FORWARDED_FOR=AWAY) == IN


@pytest.mark.slow
def test_behind_an_unknown_proxy_strangers_lock_names_and_not_everybody(operator: User, limit: int) -> None:
    guess(limit, "127.0.0.1", HTTP_X_FORWARDED_FOR=HOME)
    assert sign_in("operator", "operator-pass", "127.0.0.1", HTTP_X_FORWARDED_FOR=AWAY) == IN


@pytest.mark.slow
def test_guessing_at_a_locked_name_neither_prolongs_the_lock_nor_grows_its_row(operator: User) -> None:
    for _ in range(10):
        sign_in("operator")
    before = AccessAttempt.objects.values().get()
    sign_in("operator", "x" * 1000)
    assert AccessAttempt.objects.values().get() == before


def test_the_clock_deletes_what_counts_no_longer(operator: User) -> None:
    sign_in("operator")
    sign_in("other")
    sign_in("operator", "operator-pass", AWAY)
    AccessAttempt.objects.filter(username="other").update(attempt_time=timezone.now() - timedelta(minutes=16))
    AccessLog.objects.update(attempt_time=timezone.now() - timedelta(days=lockout.LOG_DAYS - 1))
    tasks.purge()
    assert [row.username for row in AccessAttempt.objects.all()] == ["operator"]
    assert AccessLog.objects.count() == Session.objects.count() == 1
    AccessLog.objects.update(attempt_time=timezone.now() - timedelta(days=lockout.LOG_DAYS + 1))
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    tasks.purge()
    assert AccessLog.objects.count() == Session.objects.count() == 0
