"""check_seals: counts what does not open, fails then, and shows nothing of what does."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from mailrelay.models import Message, RelaySettings
from quazzar.sealing import keyring
from tests.quazzar.sealedrows import SECRET, lose_key, store, stored

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def key_file(settings: Settings, tmp_path: Path) -> Path:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"
    return tmp_path / "secrets.key"


@pytest.fixture(autouse=True)
def rows() -> None:
    RelaySettings.objects.create(pk=1, password=SECRET)
    Message.objects.bulk_create([Message(body=b"one"), Message(body=b"two"), Message(body=None)])


def check() -> tuple[list[str], str]:
    """Its lines, and the sentence with which it failed."""
    out = io.StringIO()
    try:
        call_command("check_seals", stdout=out)
    except CommandError as exc:
        assert exc.returncode == 1
        return out.getvalue().splitlines(), str(exc)
    return out.getvalue().splitlines(), ""


def test_all_that_opens_is_counted_per_column() -> None:
    lines, failure = check()
    assert "mailrelay.RelaySettings.password: 1 stored, 1 opened, 0 unreadable" in lines
    assert "mailrelay.Message.body: 2 stored, 2 opened, 0 unreadable" in lines
    assert failure == ""


def test_a_lost_key_fails_and_says_what_to_do() -> None:
    lose_key()
    Message.objects.create(body=b"fresh")
    lines, failure = check()
    assert "mailrelay.Message.body: 3 stored, 1 opened, 2 unreadable" in lines
    assert failure.startswith("3 stored secrets cannot be decrypted. Put back the key file")


def test_one_altered_byte_fails() -> None:
    [blob] = stored()
    assert blob is not None
    store(blob[:-1] + bytes([blob[-1] ^ 1]))
    lines, failure = check()
    assert "mailrelay.RelaySettings.password: 1 stored, 0 opened, 1 unreadable" in lines
    assert failure.startswith("1 stored secret cannot be decrypted")


def test_it_passes_again_after_a_rotation_or_with_the_old_key_back() -> None:
    lost = lose_key()
    assert check()[1]
    keyring.replace(keyring.path(), lost)
    assert not check()[1]
    call_command("rotate_key", stdout=io.StringIO())
    assert not check()[1]


def test_a_bad_key_file_fails_with_the_remedy(key_file: Path) -> None:
    key_file.chmod(0o604)
    assert check() == ([], f"{refusal(key_file)} chmod 600 {key_file}")


def refusal(file: Path) -> str:
    return f"Other users can read or write the key file {file} (mode 0604), so it is not used."


def test_it_shows_no_secret() -> None:
    lines, _ = check()
    assert not any(secret in line for line in lines for secret in (SECRET, "hunter2", "one", "two"))
