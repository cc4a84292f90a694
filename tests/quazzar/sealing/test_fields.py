"""The sealed field: what is assigned, written and declared."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any, cast

import pytest
from django.apps.registry import Apps
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Case, Value, When
from pytest_django.fixtures import Settings

from mailrelay.models import Message, RelaySettings
from quazzar import checks
from quazzar.sealing import agreement, cipher, keyring
from quazzar.sealing.cipher import KeyRing
from quazzar.sealing.fields import SealedBinaryField, SealedTextField, sealed_fields
from quazzar.sealing.values import Sealed
from tests.quazzar.sealedrows import SECRET, lose_key, opened, stored

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def key_file(settings: Settings, tmp_path: Path) -> Path:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"
    return tmp_path / "secrets.key"


@pytest.fixture
def relay() -> RelaySettings:
    return RelaySettings.objects.create(pk=1, host="smtp.example.com", password=SECRET)


def test_what_is_assigned_is_a_sealed_value_at_once() -> None:
    relay = RelaySettings(password=SECRET)
    assert isinstance(relay.password, Sealed)
    assert not isinstance(relay.password, str)
    assert (relay.password.readable, relay.password.reveal()) == (True, SECRET)


def test_text_may_come_as_text_or_bytes(subtests: pytest.Subtests) -> None:
    values: list[Any] = [SECRET, SECRET.encode(), bytearray(SECRET.encode()), Sealed(SECRET)]
    for value in values:
        with subtests.test(value=value):
            RelaySettings(pk=1, password=value).save()
            assert opened(RelaySettings.load()) == SECRET


@pytest.mark.parametrize("value", [b"\x00\xff", memoryview(b"\x00\xff"), "text"])
def test_binary_may_come_as_bytes_or_text(value: Any) -> None:
    row = Message.objects.create(body=value)
    row.refresh_from_db()
    assert opened(row) == (b"text" if value == "text" else b"\x00\xff")


def test_anything_else_is_refused(subtests: pytest.Subtests) -> None:
    values: list[Any] = [5, 1.5, ["x"], object()]
    for value in values:
        with subtests.test(value=value), pytest.raises(TypeError, match="password takes text or bytes"):
            RelaySettings(password=value)


def test_bytes_that_are_no_text_are_refused_without_showing_them() -> None:
    with pytest.raises(ValueError, match="must be UTF-8") as caught:
        RelaySettings(password=b"secret\xff")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_it_never_shows_itself(relay: RelaySettings) -> None:
    value = relay.password
    shown = f"{value} {value!r} {value:>20} %s" % value + str([value]) + str(vars(relay))
    assert SECRET not in shown
    assert "<sealed>" in shown
    with pytest.raises(TypeError):
        json.dumps(value)


def test_it_is_equal_to_the_same_secret_and_to_no_text(relay: RelaySettings) -> None:
    assert relay.password == Sealed(SECRET)
    assert relay.password != Sealed("other")
    assert relay.password != SECRET
    assert hash(relay.password) == hash(Sealed("other"))


def test_it_can_be_copied_but_not_pickled(relay: RelaySettings) -> None:
    assert opened(copy.deepcopy(relay)) == opened(copy.copy(relay)) == SECRET
    for carrier in (relay.password, relay):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(carrier)


def test_the_database_never_sees_the_secret(relay: RelaySettings) -> None:
    [blob] = stored()
    assert blob is not None
    assert SECRET.encode() not in blob
    assert cipher.unseal(blob, "mailrelay.relay.password", keyring.current()) == SECRET.encode()


def test_none_stays_null_and_empty_is_not_none() -> None:
    Message.objects.create(body=None)
    Message.objects.create(body=b"")
    assert [opened(row) for row in Message.objects.order_by("id")] == [None, b""]
    assert Message.objects.filter(body__isnull=True).count() == 1
    assert Message.objects.exclude(body__isnull=True).count() == 1


def test_save_update_and_bulk_create_seal() -> None:
    Message.objects.bulk_create([Message(body=b"one"), Message(body=b"two"), Message(body=None)])
    Message.objects.filter(body__isnull=True).update(body=b"three")
    row = Message.objects.create(body=b"x")
    row.body = b"four"
    row.save(update_fields=["body"])
    assert [opened(row) for row in Message.objects.order_by("id")] == [b"one", b"two", b"three", b"four"]
    assert not any(b"one" in (blob or b"") for blob in stored("mailrelay_message", "body"))


def test_bulk_update_stores_the_values_and_not_the_expression() -> None:
    rows = Message.objects.bulk_create([Message(body=b"old") for _ in range(3)])
    rows[0].body, rows[1].body, rows[2].body = b"new", None, Sealed(b"wrapped")
    assert Message.objects.bulk_update(rows, ["body", "subject"]) == 3
    assert [opened(row) for row in Message.objects.order_by("id")] == [b"new", None, b"wrapped"]


def test_an_upsert_seals() -> None:
    for secret in ("first", "second"):
        RelaySettings.objects.bulk_create(
            [RelaySettings(pk=1, password=secret)],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["password"],
        )
        assert opened(RelaySettings.load()) == secret
    RelaySettings.objects.update_or_create(pk=1, defaults={"password": "third"})
    assert opened(RelaySettings.load()) == "third"


def test_a_value_of_this_field_may_be_chosen_by_the_database() -> None:
    field = Message._meta.get_field("body")
    Message.objects.create(body=b"x", subject="keep")
    choice = Case(When(subject="keep", then=Value(b"chosen", output_field=field)), default=Value(None))
    Message.objects.update(body=choice)
    assert opened(Message.objects.get()) == b"chosen"


def test_an_unchanged_secret_is_written_back_as_it_was(relay: RelaySettings) -> None:
    before = stored()
    row = RelaySettings.load()
    row.save()
    assert stored() == before
    row.password = SECRET
    row.save()
    assert stored() != before


def test_a_row_loaded_before_a_rotation_is_saved_under_the_new_key(relay: RelaySettings) -> None:
    row = RelaySettings.load()
    ring = keyring.current().with_new_key()
    keyring.replace(keyring.path(), KeyRing(ring.keys[:1]))  # the old key has been removed since
    agreement.adopt()
    row.save()
    assert opened(RelaySettings.load()) == SECRET


def test_a_readable_secret_can_be_copied_to_another_place(relay: RelaySettings) -> None:
    password: Any = relay.password
    Message.objects.create(body=password)
    assert opened(Message.objects.get()) == SECRET.encode()


def test_a_context_is_required() -> None:
    with pytest.raises(ImproperlyConfigured, match="needs context"):
        SealedTextField()


@pytest.mark.parametrize("options", [{"default": SECRET}, {"db_default": SECRET}])
def test_a_secret_in_the_code_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ImproperlyConfigured, match="into the code"):
        SealedTextField(context="tests.x", **options)


@pytest.mark.parametrize("option", ["primary_key", "unique", "db_index"])
def test_an_index_on_it_is_refused(option: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        SealedBinaryField(context="tests.x", **cast("Any", {option: True}))


def test_a_migration_remembers_the_context() -> None:
    field: Any = SealedTextField(context="tests.x", null=True)
    _, path, args, kwargs = field.deconstruct()
    assert (path, args) == ("quazzar.sealing.fields.SealedTextField", [])
    assert kwargs == {"context": "tests.x", "null": True}
    assert field.clone().context == "tests.x"


def test_a_migration_remembers_the_former_contexts_too() -> None:
    field: Any = SealedTextField(context="tests.x", former_contexts=["tests.w"])
    assert field.deconstruct()[3] == {"context": "tests.x", "former_contexts": ("tests.w",)}
    assert field.clone().former_contexts == ("tests.w",)


def test_one_without_null_refuses_to_stay_empty() -> None:
    field: Any = SealedTextField(context="tests.x")
    assert field.get_default() is None


def test_every_sealed_column_is_listed_once() -> None:
    labels = {f"{model._meta.label}.{field.name}" for model, field in sealed_fields()}
    assert {"mailrelay.RelaySettings.password", "mailrelay.Message.body"} <= labels
    assert len(labels) == len(sealed_fields())


@pytest.mark.parametrize(
    "contexts",
    [
        {"context": "mailrelay.relay.password"},
        {"context": "tests.x", "former_contexts": ["mailrelay.relay.password"]},
    ],
)
def test_a_context_used_twice_is_an_error(contexts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.check_seal_contexts() == []

    class Copycat(models.Model):  # noqa: DJ008
        secret = SealedTextField(**contexts)

        class Meta:
            app_label = "tests"
            apps = Apps()

    twice = [*sealed_fields(), (Copycat, Copycat._meta.get_field("secret"))]
    monkeypatch.setattr(checks, "sealed_fields", lambda: twice)
    [message] = checks.check_seal_contexts()
    assert message.id == "quazzar.E003"
    assert "mailrelay.RelaySettings.password and tests.Copycat.secret" in message.msg


def test_validators_see_the_secret_and_skip_one_that_does_not_open(relay: RelaySettings) -> None:
    field: Any = SealedTextField(context="mailrelay.relay.password", validators=[MinLengthValidator(50)])
    field.set_attributes_from_name("password")
    with pytest.raises(ValidationError):
        field.clean(relay.password, relay)
    lose_key()
    unreadable = RelaySettings.load().password
    assert field.clean(unreadable, relay) is unreadable


def test_full_clean_accepts_a_saved_and_an_unreadable_secret(relay: RelaySettings) -> None:
    RelaySettings.load().full_clean()
    lose_key()
    row = RelaySettings.load()
    row.full_clean()
    assert row.password_state == "unreadable"
