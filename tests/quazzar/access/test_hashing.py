"""Password hashes in turn: memory and threads for a few at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import hashers
from django.contrib.auth.models import User
from django.test import Client

from quazzar.access import hashing
from quazzar.errors import TooBusy

SETTINGS = ["quazzar.access.hashing.Argon2", "quazzar.access.hashing.PBKDF2"]


def test_no_more_than_two_at_once_and_a_short_line() -> None:
    entered, leave = threading.Semaphore(0), threading.Event()
    inside: list[int] = []

    def hash_slowly() -> None:
        with hashing.turn():
            inside.append(1)
            entered.release()
            leave.wait(30)

    places = hashing.AT_ONCE + hashing.WAITING
    with ThreadPoolExecutor(places) as pool:
        running = [pool.submit(hash_slowly) for _ in range(hashing.AT_ONCE)]
        for _ in running:
            assert entered.acquire(timeout=30)
        waiting = [pool.submit(hash_slowly) for _ in range(hashing.WAITING)]
        while hashing._places._value:  # they have taken their places
            assert not any(job.done() for job in waiting)
        with pytest.raises(TooBusy), hashing.turn():
            pass
        assert len(inside) == hashing.AT_ONCE
        leave.set()
        for job in running + waiting:
            job.result(30)
    with hashing.turn():
        pass


@pytest.mark.thorough
def test_the_hashes_are_djangos(settings: object) -> None:
    settings.PASSWORD_HASHERS = SETTINGS  # type: ignore[attr-defined]
    assert hashers.make_password("x" * 12).startswith("argon2$argon2id$")
    for stock in (hashers.Argon2PasswordHasher(), hashers.PBKDF2PasswordHasher()):
        encoded = stock.encode("right", "saltsaltsaltsaltsaltsalt")
        assert hashers.check_password("right", encoded)
        assert not hashers.check_password("wrong", encoded)


@pytest.mark.django_db
def test_who_comes_when_the_line_is_full_is_told_to_come_back(
    operator: User, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PASSWORD_HASHERS = SETTINGS  # type: ignore[attr-defined]
    monkeypatch.setattr(hashing, "_places", threading.Semaphore(0))
    form = {"username": "nobody", "password": "wrong"}
    response = Client().post("/admin/login/", form)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
