"""Each released version's database, with data in it, comes to this release whole, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.quazzar.nodes import ROOT
from tests.rig import or_skip
from tests.rig.services import Postgres
from tests.tiers import fewer

HERE = Path(__file__).parent
VERSIONS = ["0.1.0", "0.2.0", "0.3.0"]
#: Prints what an operator would miss, read by the code of now.
LOOK = """
import json
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from dnsrecords.models import DomainOptions, Publisher
from mailboxes.models import Alias, DkimKey, ImportJob, Mailbox, Stack
from mailboxes.provisioning import passwords
from mailrelay.models import Message, RelaySettings
from quazzar.models import ApiKey, AuditEntry
call_command("check_seals")
executor = MigrationExecutor(connection)
assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
relay, stack = RelaySettings.load(), Stack.load()
box = Mailbox.objects.filter(address="ada@plain.example").first()
print(json.dumps({
    "users": [user.username for user in User.objects.order_by("id") if user.check_password(f"not-a-secret-{user}")],
    "keys": list(ApiKey.objects.values_list("name", flat=True)),
    "relay": [relay.host, relay.password.reveal(), relay.alert_recipients],
    "messages": {row.subject: [row.status, row.body is not None] for row in Message.objects.all()},
    "body": b"body 0" in Message.objects.get(subject="Queued 0").body.reveal(),
    "audit": AuditEntry.objects.filter(action="relay.changed").exists(),
    "password": box and passwords.verify(box.password_hash.reveal(), "not-a-secret-ada"),
    "mailboxes": {row.address: row.deleted_at is None for row in Mailbox.objects.all()},
    "aliases": {row.address: row.enabled for row in Alias.objects.all()},
    "import": [b"not-a-secret-new" in row.rows.reveal().encode() or "hash" in row.rows.reveal()
               for row in ImportJob.objects.all()],
    "stack": [stack.hostname, stack.enabled, stack.send_through_relay, bool(stack.tls_key and stack.tls_key.readable)],
    "dkim": sorted(f"{key.domain.name} {key.algorithm} {key.state} {bool(key.private_key and key.private_key.readable)}"
                   for key in DkimKey.objects.select_related("domain")),
    "publisher": [row.secret.reveal() for row in Publisher.objects.all()],
    "options": list(DomainOptions.objects.exclude(mta_sts="off").values_list("mta_sts", flat=True)),
}))
"""
#: On an empty PostgreSQL: the tables of then, and the rows that the release had on SQLite.
LOAD = """
import sqlite3
import sys
import django
django.setup()
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
source = sqlite3.connect(":memory:")
source.executescript(open(sys.argv[1]).read())
last = dict(source.execute("SELECT app, max(name) FROM django_migrations GROUP BY app"))
MigrationExecutor(connection).migrate(list(last.items()))
tables = [name for (name,) in source.execute(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("TRUNCATE " + ", ".join(f'"{name}"' for name in tables))
    for table in tables:
        cursor.execute("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", [table])
        types = dict(cursor.fetchall())
        rows = source.execute(f'SELECT * FROM "{table}"')
        columns = [column[0] for column in rows.description]
        casts = ", ".join(f"CAST(%s AS {types[column]})" for column in columns)
        names = ", ".join(f'"{column}"' for column in columns)
        for row in rows:
            values = [str(value) if isinstance(value, int) else value for value in row]
            cursor.execute(f'INSERT INTO "{table}" ({names}) VALUES ({casts})', values)
        if types.get("id") in ("integer", "bigint"):
            cursor.execute(f'SELECT coalesce(max(id), 1) FROM "{table}"')
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, cursor.fetchone()[0]])
"""
MIGRATE = """
import django
django.setup()
from quazzar.backups import copying
copying.migrate(print)
"""
FIRST = {
    "users": ["anna", "ben"],
    "keys": ["monitoring"],
    "relay": ["relay.example", "not-a-secret-relay", ["ops@plain.example"]],
    "messages": {"Queued 0": ["queued", True], "Queued 1": ["sent", False], "Queued 2": ["failed", True]},
    "body": True,
    "audit": True,
    "password": None,
    "mailboxes": {},
    "aliases": {},
    "import": [],
    "stack": ["", False, False, False],
    "dkim": [],
    "publisher": [],
    "options": [],
}
SECOND = FIRST | {
    "password": True,
    "mailboxes": {"ada@plain.example": True, "bob@plain.example": True, "gone@plain.example": False},
    "aliases": {"info@other.example": True, "off@other.example": False},
    "import": [True],
    "stack": ["mail.plain.example", True, True, True],
    "dkim": ["other.example rsa signing True", "plain.example rsa signing True"],
}
EXPECTED: dict[str, dict[str, Any]] = {
    "0.1.0": FIRST,
    "0.2.0": SECOND,
    "0.3.0": SECOND | {
        "dkim": [
            "other.example rsa signing True",
            "plain.example rsa signing True",
            "rotated.example ed25519 signing True",
            "rotated.example rsa retired True",
            "rotated.example rsa signing True",
            "rotating.example ed25519 waiting True",
            "rotating.example rsa signing True",
            "rotating.example rsa waiting True",
        ],
        "publisher": ["bm90IGEgc2VjcmV0IGF0IGFsbCwgcmVhbGx5ISE="],
        "options": ["testing"],
    },
}  # fmt: skip


class Machine:
    """A data dir with the database and the key file of a release."""

    def __init__(self, directory: Path, database_url: str = "") -> None:
        self.data = directory
        shutil.copy(HERE / "fixture.keys", directory / "secrets.key")
        (directory / "secrets.key").chmod(0o600)
        self._url = database_url

    @property
    def database(self) -> Path:
        return self.data / "quazzar.sqlite3"

    def run(self, *argv: str, code: int = 0) -> str:
        env = {
            **os.environ, "DJANGO_SETTINGS_MODULE": "quazzar.settings", "DATABASE_URL": self._url, "REDIS_URL": "",
            "QUAZZAR_DATA_DIR": str(self.data), "QUAZZAR_SECRETS_KEY_FILE": str(self.data / "secrets.key"),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, *argv], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def look(self) -> Any:
        return json.loads(self.run("-c", LOOK).splitlines()[-1])


def sql(version: str) -> str:
    return (HERE / f"{version}.sql").read_text()


def dumped(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        return "".join(f"{line}\n" for line in database.iterdump())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("version", fewer(["0.3.0"], VERSIONS))
def test_it_is_upgraded_after_a_copy_with_which_one_can_go_back(machine: Machine, version: str) -> None:
    with closing(sqlite3.connect(machine.database)) as database:
        database.executescript(sql(version))
    told = machine.run("manage.py", "firstrun")
    (copy,) = (machine.data / "before-upgrades").iterdir()
    assert f"A copy from before is in {copy}." in told and copy.stat().st_mode & 0o777 == 0o600
    assert machine.look() == EXPECTED[version]
    # What the copy holds is, to the letter, what the code of that release wrote.
    assert dumped(copy) == sql(version)
    for name in ("quazzar.sqlite3-wal", "quazzar.sqlite3-shm"):
        (machine.data / name).unlink(missing_ok=True)
    shutil.copy(copy, machine.database)
    machine.run("-c", MIGRATE)
    assert machine.look() == EXPECTED[version]


@pytest.mark.real
@pytest.mark.thorough
@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_upgraded_on_postgresql(tmp_path: Path, version: str) -> None:
    with or_skip(Postgres) as server:
        machine = Machine(tmp_path, server.url)
        machine.run("-c", LOAD, str(HERE / f"{version}.sql"))
        machine.run("-c", MIGRATE)
        assert machine.look() == EXPECTED[version]
