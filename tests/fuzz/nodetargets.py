"""The node: keys, licence, sealed data, backups, settings, headers, bodies of the API, logs, audit log."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from django.core.exceptions import ImproperlyConfigured
from django.core.serializers.json import DjangoJSONEncoder
from rest_framework.exceptions import APIException
from rest_framework.serializers import ValidationError

from mailrelay.api import noticeserializers, serializers
from mailrelay.notices import alertmail, backups
from mailrelay.notices.origin import NOWHERE
from quazzar import env, hostnames
from quazzar.access import addresses, agents, apikeys
from quazzar.api.parsers import StrictJSONParser
from quazzar.auditlog import export
from quazzar.backups import sealedfile
from quazzar.backups.archive import reading, writing
from quazzar.backups.failures import BackupError
from quazzar.errors import InvalidEmail, LicenseError, Unreadable
from quazzar.models import AuditEntry
from quazzar.monitoring import logs
from quazzar.plans import keys as licencekeys
from quazzar.plans import licenses
from quazzar.sealing import cipher, keyring
from tests.fuzz.target import parts, target, text

RING = cipher.KeyRing((bytes(range(32)),))
SEALED = cipher.seal(b"secret", "x", RING)
NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
PASSPHRASE = b"correct horse battery"


def _backup() -> bytes:
    out = io.BytesIO()
    with patch.object(sealedfile, "_LOG_N", 4), writing(out, PASSPHRASE) as writer:
        writer.add("about.json", b"{}")
        writer.add("rows/x.jsonl", b'{"a": 1}\n')
    return out.getvalue()


@target(
    "eyJhbGciOiJFZERTQSJ9.eyJwbGFuIjoicHJvIn0.AAAA", "eyJhbGciOiJub25lIn0.e30.", "x", refuses=(LicenseError,)
)
def licence(data: bytes) -> None:
    """No licence that was not signed counts."""
    licenses.verify(text(data))
    raise AssertionError("a licence that nobody signed counts")


@target(
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----", "AAAA", refuses=(LicenseError,)
)
def licence_key(data: bytes) -> None:
    """The public key for licences."""
    licencekeys.parse(text(data))


@target(SEALED, SEALED[:20], b"", refuses=(Unreadable,))
def sealed_blob(data: bytes) -> None:
    """A blob that was changed does not open."""
    assert cipher.unseal(data, "x", RING) == b"secret" and data == SEALED


@target(keyring.text(RING), "x\n", refuses=(ValueError,))
def key_ring(data: bytes) -> None:
    """A key file is read as what it says, or refused without showing it."""
    try:
        ring = keyring.parse(data)
    except ValueError as exc:
        shown = [line for line in data.split() if len(line) > 20 and line.decode("latin-1") in str(exc)]
        assert not shown
        raise
    assert len(
        keyring.parse(keyring.text(ring).encode() if isinstance(keyring.text(ring), str) else b"")
    ) == len(ring)


@target(_backup(), _backup()[:90], b"QUAZZAR", refuses=(BackupError,), grows=False)
def backup_file(data: bytes) -> None:
    """A backup that was changed is refused with an error of its own."""
    with patch.object(sealedfile, "_LOG_N", 4), reading(io.BytesIO(data), PASSPHRASE) as members:
        for member in members:
            member.read()


_READERS = (
    env.env_bool,
    lambda name: env.env_int(name, 1),
    lambda name: env.env_choice(name, ["a", "b"]),
    env.env_zone,
    lambda name: env.env_rate(name, "1/s"),
    lambda name: env.env_docker_name(name, "x"),
    lambda name: env.env_image(name, "x"),
    lambda name: env.env_path(name, Path("/")),
    env.env_list,
    env.env_paths,
    env.env_bind,
    lambda name: env.env_host_port(name, "a:1", off="off"),
    lambda name: env.env_addresses(name, ports=True),
    env.env_networks,
    env.env_public_addresses,
    lambda name: env.env_url(name, ["redis"]),
    env.env_origin,
    env.env_secret,
)


@target(
    "true",
    "192.0.2.1:53,[::1]:5353",
    "redis://:p@h:1/0",
    "10.0.0.0/8",
    "https://x.example",
    "~nobody/x",
    "5/min",
    "Europe/Berlin",
)
def setting(data: bytes) -> None:
    """A variable of the environment is read, or refused with a sentence that names it."""
    value = data.decode("utf-8", "surrogateescape").replace("\x00", "")
    with patch.dict(os.environ, {"FUZZED": value}):
        for read in _READERS:
            try:
                cast("Any", read)("FUZZED")
            except ImproperlyConfigured as exc:
                assert "FUZZED" in str(exc)


@target("203.0.113.7, 10.0.0.1", "[2001:db8::1]:443", "unknown", '"_x"')
def forwarded_for(data: bytes) -> None:
    """The client's address behind proxies."""
    given = data.decode("latin-1")
    addresses.parsed(given)
    found = addresses.client("127.0.0.1", given, (ip_network("127.0.0.0/8"),))
    assert found is None or str(found)


@target("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "curl/8", "\xff")
def user_agent(data: bytes) -> None:
    """What a browser says that it is."""
    assert len(agents.in_words(data.decode("latin-1")).splitlines()) <= 1
    agents.is_handheld(data.decode("latin-1"))


@target("qzr_" + "0" * 46, "qzr_x", "Bearer qzr_")
def api_key(data: bytes) -> None:
    """The form of a key."""
    apikeys.well_formed(data.decode("latin-1"))


@target("node\xffnode.example.com\n\xff127.0.0.1 localhost\n192.0.2.1 node.example.com node\n", "\xff\xff# x")
def host_names(data: bytes) -> None:
    """The node's own names, from its files."""
    hostnames.names(*parts(data, 3))


@target(
    '{"rule": "Disk", "details": {"a": [1, null]}}', '"\\ud800"', "[" * 50, "1e999", refuses=(APIException,)
)
def json_body(data: bytes) -> None:
    """A body is parsed into what can be stored and shown, or refused."""
    found = StrictJSONParser().parse(io.BytesIO(data))
    json.dumps(found, ensure_ascii=False, cls=DjangoJSONEncoder).encode()


def _checked(kind: Any, data: bytes) -> Any:
    serializer = kind(data=StrictJSONParser().parse(io.BytesIO(data)))
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


_GROUP = json.dumps(noticeserializers._GROUP)
_REFUSED = (APIException, ValidationError, InvalidEmail, ValueError)


@target(_GROUP, '{"alerts": [{"status": "resolved", "labels": {}}]}', refuses=_REFUSED)
def alert_group(data: bytes) -> None:
    """A body of Alertmanager or Grafana becomes a mail whose subject is one line."""
    notice = _checked(noticeserializers.AlertGroupSerializer, data)["notice"]
    mail = alertmail.render(notice, ["ops@example.com"], NOWHERE)
    assert len(mail.subject.splitlines()) == 1 and "<script" not in mail.html.lower()


@target(json.dumps(noticeserializers._SIMPLE), '{"rule": "a\\nb"}', refuses=_REFUSED)
def alert_rule(data: bytes) -> None:
    """A rule of one's own becomes a mail whose subject is one line."""
    notice = _checked(noticeserializers.SimpleAlertSerializer, data)["notice"]
    mail = alertmail.render(notice, ["ops@example.com"], NOWHERE)
    assert len(mail.subject.splitlines()) == 1 and "<script" not in mail.html.lower()


@target(json.dumps(noticeserializers._BACKUP), '{"job": "x", "status": "success"}', refuses=_REFUSED)
def backup_report(data: bytes) -> None:
    """A report of a backup becomes a mail whose subject is one line."""
    report = _checked(noticeserializers.BackupReportSerializer, data)["report"]
    assert len(backups.render(report, ["ops@example.com"], NOWHERE).subject.splitlines()) == 1


@target(
    '{"to": ["a@b.c"], "subject": "x", "text": "y", "headers": {"X-A": "b"}}',
    '{"to": ["a@b.c"], "attachments": [{"filename": "a", "content_base64": "aGk="}]}',
    refuses=_REFUSED,
)
def message_body(data: bytes) -> None:
    """A message of the API."""
    _checked(serializers.EmailSerializer, data)


@target(
    "password=hunter2hunter2",
    "Authorization: Bearer qzr_abcdefgh",
    "-----BEGIN PRIVATE KEY-----\nx",
    "redis://:p@h",
)
def log_line(data: bytes) -> None:
    """A log line keeps no secret, and masking it again changes nothing."""
    given = text(data)
    assert logs.redact(logs.redact(given)) == logs.redact(given)
    assert "hunter2hunter2" in given or "hunter2hunter2" not in logs.redact(
        f"password=hunter2hunter2 {given}"
    )
    assert re.fullmatch("[A-Za-z0-9-]{8,64}", logs.accepted_id(given))


@target("user:ada\xffrelay.changed\xff=cmd|x", "a\xffb\xff@x\n")
def audit_line(data: bytes) -> None:
    """An entry of the audit log is one line of JSON and one row of CSV, which a spreadsheet does not calculate."""
    actor, action, what = parts(data, 3)
    changes = {what: [actor, action]}
    entry = AuditEntry(pk=1, at=NOW, actor=actor, action=action, target=what, fields=[what], changes=changes)
    assert "".join(export.json_lines([entry])).count("\n") == 1
    rows = [*csv.reader(io.StringIO("".join(export.csv_lines([entry])), newline=""))]
    assert len(rows) == 2 and len(rows[0]) == len(rows[1])
    assert not any(cell[:1] in ("=", "@", "+", "-") for cell in rows[1] if len(cell) > 1), rows
