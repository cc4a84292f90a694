"""Operators with and without a second factor, and how they sign in."""

from __future__ import annotations

from typing import Any

import pyotp
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from quazzar.access.secondfactor import totp
from quazzar.models import Operator

LOGIN, STEP = "/admin/login/", "/admin/second-step/"


def with_app(user: User) -> pyotp.TOTP:
    """The app that the user has from now on; no code of it was used."""
    secret = totp.new_secret()
    Operator.objects.update_or_create(
        user=user, defaults={"totp_secret": secret, "totp_since": timezone.now(), "totp_step": 0}
    )
    return pyotp.TOTP(secret)


def enter(
    client: Client, name: str = "operator", password: str = "operator-pass", to: str = "/admin/"
) -> Any:
    """The answer to name and password."""
    return client.post(LOGIN, {"username": name, "password": password, "next": to})


def is_in(client: Client) -> bool:
    """Whether the client is signed in."""
    return client.get("/admin/account/").status_code == 200
