"""The sealed field with a lost key, altered bytes or a bad key file: nothing crashes, nothing is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from mailrelay.models import Message, RelaySettings
from quazzar.errors import Unreadable
from quazzar.sealing import cipher, keyring
from quazzar.sealing.values import Unsealable
from tests.quazzar.sealedrows import SECRET, lose_key, opened, store, stored

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def key_file(settings: Settings, tmp_path: Path) -> Path:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"
    return tmp_path / "secrets.key"


@pytest.fixture
def relay() -> RelaySettings:
    return RelaySettings.objects.create(pk=1, host="smtp.example.com", password=SECRET)


def test_a_lost_key_shows_as_unreadable_and_the_list_still_loads(relay: RelaySettings) -> None:
    lose_key()
    [row] = RelaySettings.objects.all()
    assert isinstance(row.password, Unsealable)
    assert (row.password_state, str(row.password)) == ("unreadable", "<unreadable>")
    assert not row.password.readable
    with pytest.raises(Unreadable, match="Enter it again"):
        row.password.reveal()


def test_one_lost_row_does_not_hide_the_others() -> None:
    Message.objects.create(body=b"lost")
    lose_key()
    Message.objects.create(body=b"fresh")
    bodies = [row.body for row in Message.objects.order_by("id")]
    assert [body and body.readable for body in bodies] == [False, True]


def test_saving_another_field_keeps_the_bytes_so_that_the_key_brings_it_back(relay: RelaySettings) -> None:
    before = stored()
    lost = lose_key()
    row = RelaySettings.load()
    row.host = "smtp.example.net"
    row.save()
    RelaySettings.objects.bulk_update([row], ["password", "host"])
    assert stored() == before
    keyring.replace(keyring.path(), lost)
    assert opened(RelaySettings.load()) == SECRET


def test_entering_it_again_replaces_it(relay: RelaySettings) -> None:
    lose_key()
    row = RelaySettings.load()
    row.password = "fresh"
    row.save()
    assert RelaySettings.load().password_state == "saved"
    assert opened(RelaySettings.load()) == "fresh"


def test_an_unreadable_secret_cannot_move_to_another_place(relay: RelaySettings) -> None:
    lose_key()
    with pytest.raises(Unreadable):
        Message.objects.create(body=cast("Any", RelaySettings.load().password))


def test_bytes_that_are_no_seal_are_unreadable(subtests: pytest.Subtests, relay: RelaySettings) -> None:
    contents: list[bytes | str] = [b"", b"plain", b"\x01" * 80, "plain text"]
    for content in contents:
        with subtests.test(content=content):
            store(content)
            assert RelaySettings.load().password_state == "unreadable"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases refuse a number in this column")
def test_a_number_in_the_column_is_unreadable(relay: RelaySettings) -> None:
    store(5)
    assert RelaySettings.load().password_state == "unreadable"


def test_a_tampered_blob_is_unreadable_and_says_so(relay: RelaySettings) -> None:
    [blob] = stored()
    assert blob is not None
    store(blob[:-1] + bytes([blob[-1] ^ 1]))
    with pytest.raises(Unreadable, match="were changed"):
        opened(RelaySettings.load())


def test_a_blob_copied_to_another_column_does_not_open(relay: RelaySettings) -> None:
    row = Message.objects.create(body=b"mail")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mailrelay_message SET body = %s", stored())
    row.refresh_from_db()
    with pytest.raises(Unreadable, match="another field"):
        opened(row)


def test_bytes_sealed_for_a_text_that_are_no_text_are_unreadable(relay: RelaySettings) -> None:
    blob = cipher.seal(b"\xff", "mailrelay.relay.password", keyring.current())
    store(blob)
    assert RelaySettings.load().password_state == "unreadable"


DAMAGES: dict[str, Callable[[Path], object]] = {
    "mode": lambda f: f.chmod(0o644),
    "content": lambda f: f.write_text("?"),
    "gone": lambda f: f.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_bad_key_file_makes_unreadable_and_never_an_error(
    damage: Callable[[Path], object], relay: RelaySettings, key_file: Path
) -> None:
    content = key_file.read_bytes()
    damage(key_file)
    row = RelaySettings.load()
    assert row.password_state == "unreadable"
    with pytest.raises(Unreadable, match="key file"):
        opened(row)
    key_file.write_bytes(content)
    key_file.chmod(0o600)
    assert opened(RelaySettings.load()) == SECRET
