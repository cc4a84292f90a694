"""Machines that share a database: one whose key file differs stores nothing sealed, and says what to do.

Each machine is a key file; that the database is one for several machines is taken for granted here, and real in
tests/live/test_machines.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from mailrelay.models import Message, RelaySettings
from mailrelay.queue import delivery
from quazzar import checks
from quazzar.errors import KeyDiffers
from quazzar.models import SealingKey
from quazzar.monitoring import doctor, health, nodechecks
from quazzar.monitoring.doctor import Level
from quazzar.sealing import agreement, keyring, rotation
from quazzar.sealing.cipher import KeyRing

pytestmark = pytest.mark.django_db


class Machines:
    """``on("a")`` goes on as that machine, whose key file is there from the start or is copied to it."""

    def __init__(self, folder: Path, settings: Any) -> None:
        self._folder, self._settings = folder, settings

    def on(self, name: str) -> Path:
        agreement._agreed = None
        self._settings.QUAZZAR_SECRETS_KEY_FILE = self._folder / name / "secrets.key"
        return self._folder / name / "secrets.key"

    def copy(self, source: str, target: str) -> None:
        ring = keyring.read(self._folder / source / "secrets.key")
        keyring.replace(self._folder / target / "secrets.key", ring)


@pytest.fixture
def machines(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Machines:
    monkeypatch.setattr(agreement, "_is_shared", lambda: True)
    monkeypatch.setattr(agreement, "_agreed", None)
    for name in "abc":
        (tmp_path / name).mkdir(mode=0o700)
    return Machines(tmp_path, settings)


def store(text: str) -> None:
    """Seal something in the database."""
    RelaySettings.objects.update_or_create(pk=1, defaults={"host": "relay.example", "password": text})


def stored() -> str:
    password = RelaySettings.objects.get().password
    assert password
    return str(password.reveal())


def test_the_first_machine_that_seals_puts_its_key_in_force(machines: Machines) -> None:
    machines.on("a")
    store("one")
    store("two")
    assert stored() == "two"
    assert SealingKey.objects.count() == 1


def test_a_machine_with_another_key_stores_nothing_and_says_what_to_do(machines: Machines) -> None:
    machines.on("a")
    store("from a")
    file = machines.on("b")
    for _ in range(2):
        with pytest.raises(KeyDiffers, match="is not the one that the other machines use") as caught:
            store("from b")
    assert str(file) in caught.value.message
    assert "Copy it from a machine that works." in caught.value.message
    assert "manage.py adopt_key" in caught.value.hint
    machines.on("a")
    assert stored() == "from a"


def test_it_goes_on_as_soon_as_the_right_file_is_there(machines: Machines) -> None:
    machines.on("a")
    store("from a")
    machines.on("b")
    with pytest.raises(KeyDiffers):
        store("from b")
    machines.copy("a", "b")
    store("from b")
    machines.on("a")
    assert stored() == "from b"


def test_a_mail_for_a_machine_that_differs_is_refused_by_the_api_and_sent_by_none(
    machines: Machines, api: Any, rings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = {"to": ["ops@example.com"], "subject": "disk", "text": "full"}
    machines.on("a")
    store("secret")
    RelaySettings.objects.update(from_address="node@example.org")
    assert api.post("/api/mail/messages", mail).status_code == 202
    machines.on("b")
    answer = api.post("/api/mail/messages", mail)
    assert (answer.status_code, answer.json()["error"]) == (503, "key_differs")
    monkeypatch.setattr(delivery, "Drain", None)  # nothing is claimed
    assert delivery.drain() == 0
    assert list(Message.objects.values_list("status", flat=True)) == ["queued"]


def test_its_readiness_probe_fails_and_that_of_the_others_does_not(
    machines: Machines, client: Client
) -> None:
    machines.on("a")
    store("secret")
    assert health.key_file().ok
    machines.on("b")
    keyring.current()
    probe = client.get("/readyz").json()["checks"]["key_file"]
    assert not probe["ok"]
    assert "is not the one" in probe["message"]
    assert client.get("/healthz").status_code == 200


def test_doctor_and_djangos_check_name_it_on_that_machine_only(machines: Machines) -> None:
    machines.on("a")
    store("secret")
    assert nodechecks.key_file().level is Level.OK
    assert checks.check_key_agreement(databases=["default"]) == []
    machines.on("b")
    keyring.current()
    ((_, found),) = doctor.examine([check for check in doctor.registered() if check.name == "key file"])
    assert (found.level, "is not the one" in found.sentence) == (Level.FAILED, True)
    (told,) = checks.check_key_agreement(databases=["default"])
    assert told.id == "quazzar.W002"
    assert checks.check_key_agreement() == []  # without --database it asks none


def test_a_rotation_is_in_force_for_the_machine_that_made_it_and_the_others_wait_for_its_file(
    machines: Machines,
) -> None:
    machines.on("a")
    store("secret")
    machines.copy("a", "b")
    machines.on("b")
    store("still one key")
    machines.on("a")
    assert rotation.rotate().resealed.total() == 1
    assert SealingKey.objects.count() == 2
    machines.on("b")
    with pytest.raises(KeyDiffers):
        store("with the old key")
    with pytest.raises(KeyDiffers):
        rotation.rotate()
    machines.copy("a", "b")
    store("with the new key")
    machines.on("a")
    assert stored() == "with the new key"


def test_a_writer_that_still_holds_the_key_before_is_let_through(machines: Machines) -> None:
    file = machines.on("a")
    store("secret")
    old = keyring.current()
    rotation.rotate()
    new = keyring.current()
    keyring.replace(file, KeyRing([*old.keys, new.keys[0]]))
    agreement._agreed = None
    store("late")
    assert SealingKey.objects.count() == 2
    keyring.replace(file, new)
    assert stored() == "late"


def test_two_machines_that_rotate_at_once_end_with_one_key(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.on("a")
    store("secret")
    machines.copy("a", "b")
    machines.on("a")
    before = keyring.current()
    replace = keyring.replace

    def held_up(file: Path, ring: KeyRing) -> None:
        replace(file, ring)
        monkeypatch.setattr(keyring, "replace", replace)
        machines.on("b")
        rotation.rotate()
        machines.on("a")

    monkeypatch.setattr(keyring, "replace", held_up)
    with pytest.raises(KeyDiffers):
        rotation.rotate()
    assert keyring.current().keys == before.keys
    machines.on("b")
    assert stored() == "secret"


def test_without_a_proof_a_machine_that_opens_nothing_of_what_is_stored_is_refused(
    machines: Machines,
) -> None:
    """As after an upgrade from a version without proofs."""
    machines.on("a")
    store("secret")
    SealingKey.objects.all().delete()
    machines.on("b")
    with pytest.raises(KeyDiffers):
        store("other")
    machines.on("a")
    store("again")
    assert SealingKey.objects.count() == 1


def test_a_restored_database_of_before_a_rotation_takes_the_newer_key_file(machines: Machines) -> None:
    machines.on("a")
    store("secret")
    rows = [*SealingKey.objects.all()]
    blobs = [*RelaySettings.objects.all()]
    rotation.rotate()
    SealingKey.objects.all().delete()
    SealingKey.objects.bulk_create(rows)
    for row in blobs:
        row.save()
    agreement._agreed = None
    store("after the restore")
    assert stored() == "after the restore"


def test_a_lost_key_is_given_up_by_a_command_and_never_by_itself(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    machines.on("a")
    store("lost")
    machines.on("b")
    with pytest.raises(KeyDiffers):
        store("new")
    call_command("adopt_key")
    said = capsys.readouterr().out
    assert "Copy it to every other machine." in said
    assert "It does not open 1 stored secret." in said
    store("new")
    assert stored() == "new"
    machines.on("a")
    with pytest.raises(KeyDiffers):
        store("old")


def test_a_key_file_that_cannot_be_used_is_not_adopted(machines: Machines) -> None:
    file = machines.on("a")
    file.write_text("no key")
    file.chmod(0o600)
    with pytest.raises(CommandError, match="is not a key ring"):
        call_command("adopt_key")
    assert not SealingKey.objects.exists()


def test_an_agreement_is_asked_for_once_and_a_difference_each_time(
    machines: Machines, django_assert_num_queries: Any
) -> None:
    machines.on("a")
    agreement.require(keyring.current())
    with django_assert_num_queries(0):
        agreement.require(keyring.current())
    machines.on("b")
    for _ in range(2):
        with django_assert_num_queries(1), pytest.raises(KeyDiffers):
            agreement.require(keyring.current())


def test_on_sqlite_a_new_key_file_seals_at_once(tmp_path: Path, settings: Any) -> None:
    for name in "ab":
        settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / name / "secrets.key"
        store(name)
        assert stored() == name
    assert not SealingKey.objects.exists()
