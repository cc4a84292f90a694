"""A backup that an older release made: its tables are made first, its rows are loaded, and then it is upgraded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.quazzar.nodes import ROOT

pytestmark = [pytest.mark.long, pytest.mark.slow]

#: What the older release had, and what it did not have yet.
_OLDER = """
import sys
from pathlib import Path
import django
django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from quazzar.backups import making, rows
OLDER = {"quazzar": "0005_first_steps", "mailrelay": "0007_expected_reports",
         "mailboxes": "0006_domain_without_dkim_columns", "dnsrecords": "0002_options_and_publisher"}
executor = MigrationExecutor(connection)
targets = [(app, OLDER.get(app, name)) for app, name in executor.loader.graph.leaf_nodes()]
executor.migrate(targets)
apps = MigrationExecutor(connection).loader.project_state(targets).apps
user = apps.get_model("auth", "User").objects.create(username="anna", is_superuser=True)
domain = apps.get_model("mailboxes", "Domain").objects.create(name="x.test")
apps.get_model("mailboxes", "Mailbox").objects.create(domain=domain, local_part="anna", home="x.test/anna")
apps.get_model("mailrelay", "Message").objects.create(
    message_id="<1@x>", subject="old", status="sent", source="api")
apps.get_model("quazzar", "AuditEntry").objects.create(actor="user:anna", action="domain.added", target="x.test")
# As that release did: it knew the tables of its own time.
rows.current_apps = apps
rows.check_complete = lambda: None
making.audit.record = lambda *_: None
making.registry.report = lambda *_: None
making.make(Path(sys.argv[1]), b"correct horse battery")
"""
_LOOK = """
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from mailboxes.models import Mailbox
from mailrelay.models import Message
from quazzar.models import AuditEntry
executor = MigrationExecutor(connection)
assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
print(User.objects.get().username, Mailbox.objects.get().local_part, Message.objects.get().subject,
      AuditEntry.objects.earliest("id").target)
"""


def run(data: Path, *argv: str) -> str:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "quazzar.settings", "DATABASE_URL": ""}
    env |= {"QUAZZAR_DATA_DIR": str(data), "QUAZZAR_SECRETS_KEY_FILE": str(data / "secrets.key")}
    done = subprocess.run(
        [sys.executable, *argv], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_restored_and_upgraded(tmp_path: Path) -> None:
    backup, secret = tmp_path / "old.backup", tmp_path / "passphrase"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o600)
    run(tmp_path / "old", "-c", _OLDER, str(backup))
    told = run(tmp_path / "new", "manage.py", "restore", str(backup), "--passphrase-file", str(secret))
    assert "every stored secret opens" in told
    assert run(tmp_path / "new", "-c", _LOOK).split() == ["anna", "anna", "old", "x.test"]
