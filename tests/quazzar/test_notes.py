"""Notes of a request do not wait for a locked database."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from django.contrib.auth.models import User
from django.db import connection

from quazzar import notes
from quazzar.access import apikeys
from quazzar.models import ApiKey


@pytest.mark.django_db(transaction=True)
def test_a_key_is_verified_while_the_database_is_locked(operator: User) -> None:
    row, key = apikeys.mint(operator, "alerts")
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert apikeys.verify(key).pk == row.pk
        other.execute("ROLLBACK")
    assert ApiKey.objects.get(pk=row.pk).last_used_at is None
    apikeys.verify(key)
    assert ApiKey.objects.get(pk=row.pk).last_used_at is not None


def test_afterwards_a_change_waits_as_long_as_before(db: None) -> None:
    def limit() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            return int(cursor.fetchone()[0])

    before = limit()
    with notes.hurried():
        assert limit() < before
    assert limit() == before == 30_000
