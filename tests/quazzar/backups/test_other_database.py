"""A backup of a node on SQLite restores into PostgreSQL, and one of that into SQLite again: the rows are the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connection

from mailboxes.models import Domain, Mailbox, Stack
from mailrelay.mail.emails import Email
from mailrelay.models import RelaySettings
from mailrelay.queue import outbox
from quazzar.backups import making, restoring, rows
from quazzar.models import AuditEntry, Passkey
from tests.quazzar.nodes import ROOT
from tests.rig import or_skip
from tests.rig.services import Postgres

SECRET = b"correct horse battery"
pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.django_db(transaction=True)]


def everything() -> dict[str, list[Any]]:
    """All rows but those that backups and restores write themselves."""
    return {
        name: [[alike(value) for value in json.loads(line)] for line in part.splitlines()]
        for name, part in rows.dump()
        if "auditentry" not in name and "expected" not in name
    }


def alike(value: Any) -> Any:
    """JSON as what it says: PostgreSQL sorts its keys."""
    return json.loads(value) if isinstance(value, str) and value[:1] in {"[", "{"} else value


@pytest.mark.thorough
def test_there_and_back_every_row_is_the_same(tmp_path: Path, settings: Any) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("it begins on SQLite")
    data, secret = tmp_path / "data", tmp_path / "passphrase"
    data.mkdir(mode=0o700)
    secret.write_bytes(SECRET + b"\n")
    secret.chmod(0o600)
    settings.QUAZZAR_DATA_DIR, settings.QUAZZAR_SECRETS_KEY_FILE = data, data / "secrets.key"
    user = User.objects.create_superuser("anna", password="annas-pass")
    user.groups.add(Group.objects.create(name="Grüppe\n\t'\"\\"))
    Passkey.objects.create(user=user, name="key", credential=bytes(range(256)))
    RelaySettings.objects.create(
        pk=1, host="relay.test", port=587, password="p4ss\0ß", from_address="n@x.test"
    )
    Stack.objects.create(
        pk=1, hostname="mail.x.test", desired_generation=2**40, mail_disk={"b": [1, None, "ü", 1.5], "a": {}}
    )
    domain = Domain.objects.create(name="x.test")
    Mailbox.objects.create(domain=domain, local_part="anna", home="x.test/anna")
    outbox.enqueue(Email(to=["b@far.test"], subject="Grüße", text="x" * 5_000_000), source="api")
    AuditEntry.objects.create(actor="a", action="x.y", changes={"a": [None, True]})
    before, first, second = everything(), tmp_path / "first.backup", tmp_path / "second.backup"
    making.make(first, SECRET)
    with or_skip(Postgres) as server:
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "quazzar.settings", "DATABASE_URL": server.url}
        env |= {"QUAZZAR_DATA_DIR": str(tmp_path / "other"), "QUAZZAR_OUTBOUND_PROBE": "off"}
        env |= {"QUAZZAR_SECRETS_KEY_FILE": str(tmp_path / "other" / "secrets.key")}
        for verb, file in (("restore", first), ("backup", second)):
            argv = [sys.executable, "manage.py", verb, str(file), "--passphrase-file", str(secret)]
            done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    call_command("flush", interactive=False, verbosity=0)
    (data / "secrets.key").unlink()
    result = restoring.restore(second, SECRET)
    assert (result.about.database, result.unreadable) == ("postgresql", 0)
    after = everything()
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == set()
    password = RelaySettings.load().password
    assert password is not None and password.reveal() == "p4ss\0ß"
