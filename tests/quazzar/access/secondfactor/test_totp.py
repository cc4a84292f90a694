"""Codes of an authenticator app: those of RFC 6238, each once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from django.contrib.auth.models import User

from quazzar.access.secondfactor import totp
from quazzar.errors import AlreadyExists
from quazzar.models import Operator

pytestmark = pytest.mark.django_db
#: RFC 6238, appendix B: the secret "12345678901234567890"; of the eight digits there an app shows the last six.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
NOW = datetime.fromtimestamp(1_111_111_109, UTC)
CODE = "081804"


@pytest.fixture
def holder(operator: User) -> User:
    """Somebody with an app, confirmed long before."""
    Operator.objects.create(user=operator, totp_secret=SECRET, totp_since=NOW - timedelta(days=9))
    return operator


def at(seconds: int) -> str:
    return pyotp.TOTP(SECRET).at(NOW + timedelta(seconds=seconds))


def test_the_code_of_the_standard_counts_once(holder: User) -> None:
    assert not totp.check(holder, "081805", now=NOW)
    assert totp.check(holder, f" {CODE[:3]} {CODE[3:]} ", now=NOW)
    assert not totp.check(holder, CODE, now=NOW)


def test_a_clock_may_be_half_a_minute_off_and_no_more(holder: User) -> None:
    for seconds, counts in ((-60, False), (-30, True), (30, True), (60, False)):
        Operator.objects.update(totp_step=0)
        assert totp.check(holder, at(seconds), now=NOW) == counts, seconds


def test_after_a_code_the_older_ones_count_no_longer(holder: User) -> None:
    assert totp.check(holder, at(30), now=NOW)
    assert not totp.check(holder, at(0), now=NOW)
    assert totp.check(holder, at(60), now=NOW + timedelta(seconds=30))


@pytest.mark.parametrize(
    "text", ["", "      ", "12345", "1234567", "abcdef", "٠٨١٨٠٤", "081804x", "-81804", "\0"]
)
def test_what_is_no_code_is_none(holder: User, text: str) -> None:
    assert not totp.check(holder, text, now=NOW)


def test_a_first_code_confirms_an_app_and_counts_no_second_time(operator: User, other_staff: User) -> None:
    assert not totp.confirm(operator, SECRET, "123456", now=NOW)
    assert not Operator.objects.exists()
    assert totp.confirm(operator, SECRET, CODE, now=NOW)
    assert not totp.check(operator, CODE, now=NOW)
    assert not totp.check(other_staff, at(30), now=NOW + timedelta(seconds=30))
    assert totp.check(operator, at(30), now=NOW + timedelta(seconds=30))


def test_an_app_is_not_replaced_before_it_is_removed(holder: User) -> None:
    other = totp.new_secret()
    with pytest.raises(AlreadyExists):
        totp.confirm(holder, other, pyotp.TOTP(other).at(NOW), now=NOW)
    assert totp.check(holder, CODE, now=NOW)
    assert totp.remove(holder) and not totp.remove(holder)
    assert not totp.check(holder, at(30), now=NOW + timedelta(seconds=30))
    assert totp.confirm(holder, other, pyotp.TOTP(other).at(NOW), now=NOW)


def test_the_secret_is_sealed_and_without_its_key_no_code_counts(
    holder: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Operator.objects.get()
    assert str(row.totp_secret) == "<sealed>"
    monkeypatch.setattr("quazzar.sealing.keyring.existing", lambda: None)
    assert not totp.check(holder, CODE, now=NOW)


def test_the_qr_code_names_the_product_the_operator_and_the_node(operator: User) -> None:
    assert totp.uri(operator, SECRET, "mail.example.com") == (
        f"otpauth://totp/Quazzar:operator%40mail.example.com?secret={SECRET}&issuer=Quazzar"
    )
