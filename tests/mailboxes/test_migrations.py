"""An upgrade from 0.3.0 brings every DKIM key along, also one whose sealing key is away meanwhile; and the way back."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django.fixtures import Settings

from mailboxes.dkim import lifecycle
from mailboxes.models import DkimKey, Domain
from quazzar.sealing import cipher, keyring
from quazzar.sealing.cipher import KeyRing
from tests.mailboxes.factories import opened

pytestmark = pytest.mark.django_db(transaction=True)

V0_3_0 = ("mailboxes", "0004_mailbox_waiting")
ROTATED = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
FIRST = {"dkim_private_key": "first", "dkim_public_key": "FIRST"}
NEXT = {
    "dkim_next_selector": "qz20261121", "dkim_next_private_key": "next", "dkim_next_public_key": "NEXT",
}  # fmt: skip
ROTATED_ONCE = {
    "dkim_selector": "qz20261120", "dkim_private_key": "second", "dkim_public_key": "SECOND",
    "dkim_old_selector": "quazzar", "dkim_old_private_key": "first", "dkim_old_public_key": "FIRST",
    "dkim_rotated_at": ROTATED,
}  # fmt: skip
ED25519 = {
    "dkim_ed25519_selector": "quazzar-ed-a1b2c3", "dkim_ed25519_private_key": "ed", "dkim_ed25519_public_key": "ED",
}  # fmt: skip
#: Domain → its columns in 0.3.0.
COLUMNS: dict[str, dict[str, Any]] = {
    "first.example": FIRST,
    "rotating.example": FIRST | NEXT | ED25519,
    "retiring.example": ROTATED_ONCE | ED25519 | {"dkim_ed25519_signs": True},
    # The first key could not be opened when it retired.
    "lost.example": ROTATED_ONCE | {"dkim_old_private_key": None},
    "none.example": {},
}
#: Domain → its keys now: (algorithm, state, selector, private key, public key, since).
KEYS: dict[str, list[tuple[str, str, str, str | None, str, datetime | None]]] = {
    "first.example": [("rsa", "signing", "quazzar", "first", "FIRST", None)],
    "rotating.example": [
        ("rsa", "signing", "quazzar", "first", "FIRST", None),
        ("rsa", "waiting", "qz20261121", "next", "NEXT", None),
        ("ed25519", "waiting", "quazzar-ed-a1b2c3", "ed", "ED", None),
    ],
    "retiring.example": [
        ("rsa", "signing", "qz20261120", "second", "SECOND", ROTATED),
        ("rsa", "retired", "quazzar", "first", "FIRST", ROTATED),
        ("ed25519", "signing", "quazzar-ed-a1b2c3", "ed", "ED", None),
    ],
    "lost.example": [
        ("rsa", "signing", "qz20261120", "second", "SECOND", ROTATED),
        ("rsa", "retired", "quazzar", None, "FIRST", ROTATED),
    ],
    "none.example": [],
}


@pytest.fixture(autouse=True)
def key_file(settings: Settings, tmp_path: Path) -> Path:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"
    return tmp_path / "secrets.key"


@pytest.fixture
def old_domains() -> Iterator[Any]:
    """The database as 0.3.0 left it, with these domains; the model of then."""
    model = migrate(V0_3_0).get_model("mailboxes", "Domain")
    for name, columns in COLUMNS.items():
        model.objects.create(name=name, **columns)
    yield model
    migrate_to_now()


def migrate(*targets: tuple[str, str]) -> Any:
    executor = MigrationExecutor(connection)
    return executor.migrate(list(targets)).apps


def migrate_to_now() -> None:
    migrate(*MigrationExecutor(connection).loader.graph.leaf_nodes())


def keys_of(name: str) -> list[tuple[Any, ...]]:
    """The domain's keys, as KEYS has them."""
    return [
        (key.algorithm, key.state, key.selector, revealed(key), key.public_key, key.since)
        for key in DkimKey.objects.filter(domain__name=name)
    ]


def revealed(key: DkimKey) -> str | None:
    return key.private_key.reveal() if key.private_key is not None else None


def columns_of(row: Any) -> dict[str, Any]:
    """The DKIM columns of a domain of 0.3.0 that say something, with its private keys opened."""
    names = [field.name for field in row._meta.concrete_fields if field.name.startswith("dkim_")]
    values = {name: getattr(row, name) for name in names if getattr(row, name)}
    if values["dkim_selector"] == "quazzar":
        del values["dkim_selector"]  # the default
    return {name: opened(value) if "private" in name else value for name, value in values.items()}


def stored_blobs(table: str, column: str) -> set[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
        return {bytes(blob) for (blob,) in cursor.fetchall()}


def lose_key() -> Callable[[], None]:
    """Another key file is in place; called, the lost one is put back."""
    lost = keyring.current()
    keyring.replace(keyring.path(), KeyRing([b"another-" * 4]))
    return lambda: keyring.replace(keyring.path(), lost)


@pytest.mark.slow
def test_every_key_becomes_a_row_and_opens(old_domains: Any) -> None:
    migrate_to_now()
    assert {name: keys_of(name) for name in KEYS} == KEYS
    assert list(Domain.objects.unsigned().values_list("name", flat=True)) == ["none.example"]


@pytest.mark.thorough
def test_sealed_keys_are_copied_byte_for_byte(old_domains: Any) -> None:
    groups = ("dkim_private_key", "dkim_next_private_key", "dkim_old_private_key", "dkim_ed25519_private_key")
    before = set().union(*(stored_blobs("mailboxes_domain", column) for column in groups))
    migrate_to_now()
    assert stored_blobs("mailboxes_dkimkey", "private_key") == before


@pytest.mark.thorough
@pytest.mark.parametrize("lose", ["another key file", "no key file"])
def test_a_key_file_that_is_away_during_the_upgrade_loses_nothing(
    lose: str, old_domains: Any, key_file: Path
) -> None:
    content = key_file.read_bytes()
    put_back = lose_key()
    if lose == "no key file":
        key_file.unlink()
    migrate_to_now()
    assert {domain.dkim_state for domain in Domain.objects.exclude(name="none.example")} == {"unreadable"}
    if lose == "no key file":
        key_file.write_bytes(content)
        key_file.chmod(0o600)
    else:
        put_back()
    assert {name: keys_of(name) for name in KEYS} == KEYS


@pytest.mark.thorough
def test_check_seals_and_two_rotations_of_the_key_file_find_all_of_them(old_domains: Any) -> None:
    migrate_to_now()
    for _ in range(2):
        out = io.StringIO()
        call_command("check_seals", stdout=out)
        assert "mailboxes.DkimKey.private_key: 8 stored, 8 opened, 0 unreadable" in out.getvalue()
        call_command("rotate_key", stdout=out)
    assert {name: keys_of(name) for name in KEYS} == KEYS
    for blob in stored_blobs("mailboxes_dkimkey", "private_key"):
        cipher.unseal(blob, "mailboxes.dkimkey.private_key", keyring.current())  # no former context


# --- the way back ------------------------------------------------------------------------------------------
@pytest.mark.thorough
def test_the_way_back_gives_0_3_0_its_columns(old_domains: Any) -> None:
    migrate_to_now()
    back = migrate(V0_3_0).get_model("mailboxes", "Domain")
    assert {row.name: columns_of(row) for row in back.objects.all()} == {
        name: {column: value for column, value in columns.items() if value is not None}
        for name, columns in COLUMNS.items()
    }


@pytest.mark.thorough
def test_a_key_that_took_over_after_the_upgrade_opens_in_0_3_0(old_domains: Any) -> None:
    migrate_to_now()
    assert lifecycle.start_signing(Domain.objects.get(name="rotating.example").pk, "qz20261121")
    row = migrate(V0_3_0).get_model("mailboxes", "Domain").objects.get(name="rotating.example")
    assert (row.dkim_selector, opened(row.dkim_private_key)) == ("qz20261121", "next")
    assert (row.dkim_old_selector, opened(row.dkim_old_private_key)) == ("quazzar", "first")
    assert row.dkim_rotated_at is not None and row.dkim_next_selector == ""


@pytest.mark.slow
def test_there_and_back_without_the_key_file_loses_nothing(old_domains: Any) -> None:
    put_back = lose_key()
    migrate_to_now()
    back = migrate(V0_3_0).get_model("mailboxes", "Domain")
    put_back()
    assert opened(back.objects.get(name="rotating.example").dkim_next_private_key) == "next"
    migrate_to_now()
    assert {name: keys_of(name) for name in KEYS} == KEYS
