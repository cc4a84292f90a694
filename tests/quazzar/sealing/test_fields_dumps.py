"""The sealed field in dumps: only the sealed form leaves, and it comes back."""

import io
from pathlib import Path

import pytest
from django.core import serializers
from django.core.exceptions import ValidationError
from django.core.management import call_command
from pytest_django.fixtures import Settings

from mailrelay.models import Message, RelaySettings
from quazzar.sealing import keyring
from tests.quazzar.sealedrows import SECRET, lose_key, opened, stored

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def key_file(settings: Settings, tmp_path: Path) -> Path:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"
    return tmp_path / "secrets.key"


@pytest.fixture
def relay() -> RelaySettings:
    return RelaySettings.objects.create(pk=1, host="smtp.example.com", password=SECRET)


def dump() -> str:
    out = io.StringIO()
    call_command("dumpdata", "mailrelay", stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("form", ["json", "xml", "jsonl", "yaml"])
def test_a_dump_holds_the_sealed_form_and_loads_back(form: str, relay: RelaySettings) -> None:
    Message.objects.create(body=None)
    rows = [*RelaySettings.objects.all(), *Message.objects.all()]
    text = serializers.serialize(form, rows)
    assert SECRET not in text
    assert "hunter2" not in text
    assert "sealed:" in text
    RelaySettings.objects.all().delete()
    for row in serializers.deserialize(form, text):
        row.save()
    assert opened(RelaySettings.load()) == SECRET
    assert opened(Message.objects.get()) is None


def test_dumpdata_and_loaddata_keep_an_unreadable_secret(relay: RelaySettings, tmp_path: Path) -> None:
    before = stored()
    lost = lose_key()
    (tmp_path / "dump.json").write_text(dump())
    RelaySettings.objects.all().delete()
    call_command("loaddata", tmp_path / "dump.json", verbosity=0)
    assert stored() == before
    keyring.replace(keyring.path(), lost)
    assert opened(RelaySettings.load()) == SECRET


def test_a_fixture_may_give_plain_text() -> None:
    fields = '{"password": "typed", "updated_at": "2026-01-01T00:00:00Z"}'
    text = f'[{{"model": "mailrelay.relaysettings", "pk": 1, "fields": {fields}}}]'
    for row in serializers.deserialize("json", text):
        row.save()
    assert opened(RelaySettings.load()) == "typed"
    assert b"typed" not in (stored()[0] or b"")


def test_a_sealed_form_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="not a sealed value"):
        RelaySettings._meta.get_field("password").to_python("sealed:?")
