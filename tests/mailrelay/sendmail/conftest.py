"""A node that takes mail from local programs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.mailrelay.sendmail.installation import Installation, installed


@pytest.fixture(scope="package")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Set up once for all tests."""
    return installed(tmp_path_factory.mktemp("sendmail"))


@pytest.fixture
def node(prepared: Installation) -> Iterator[Installation]:
    """An empty queue."""
    with closing(sqlite3.connect(prepared.data / "quazzar.sqlite3")) as database, database:
        database.execute("DELETE FROM mailrelay_message")
    yield prepared
