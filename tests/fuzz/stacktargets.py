"""The mail server: rows to files, CSV, certificates, and what programs in the containers print."""

from __future__ import annotations

import io
import plistlib
import tarfile
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from typing import Any

from mailboxes import autoconfig
from mailboxes.certificates import formats, pem
from mailboxes.csvfiles import rows as csvrows
from mailboxes.engine import pull, stream
from mailboxes.maillog import joining
from mailboxes.maillog.following import PARSERS
from mailboxes.mailqueue import listing
from mailboxes.provisioning import addresses, foreignhashes, passwords, rules
from mailboxes.push import render
from mailboxes.push.entries import Smarthost, Snapshot
from mailboxes.quota import room, usage
from mailboxes.stack import guessing, logs
from mailboxes.volumes import streams
from quazzar.errors import InvalidFields
from tests.fuzz.target import parts, target, text
from tests.mailboxes.maillog import records
from tests.mailboxes.push import test_render
from tests.mailboxes.readers import passwd_file

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
BEFORE = {
    name: data.split(b"\n") for name, data in test_render.files(test_render.GOOD).items() if data is not None
}
QUEUE = (
    '{"queue_name": "deferred", "queue_id": "4bXk", "arrival_time": 1764473000, "message_size": 2031, "sender": '
    '"ada@example.com", "recipients": [{"address": "bob@example.net", "delay_reason": "connect to mx[192.0.2.7]:25: '
    'Connection timed out"}]}\n7'
)
CERTIFICATE, KEY = pem.self_signed("mail.example.com", NOW)
DOCKER = (
    '{"Id":"x","Name":"/q","Image":"sha256:1","Created":"","State":{"Status":"running","ExitCode":0,"StartedAt":'
    '"2026-11-30T04:00:00Z","Health":{"Status":"healthy"}},"Config":{"Image":"i","Labels":{}},"Mounts":[{"Name":"v"}],'
    '"NetworkSettings":{"Networks":{"n":{"IPAddress":"172.30.0.2"}},"Ports":{"25/tcp":[{"HostIp":"0.0.0.0"}]}}}'
)


@target("ada", "ada+x@example.com", "a:b", "a\nb", "{PLAIN}x", "\ud800".encode("utf-8", "surrogatepass"))
def rendered_files(data: bytes) -> None:
    """A value in a row adds at most its own line to each file of Postfix, Dovecot and Rspamd, and no column."""
    value = data.decode("utf-8", "surrogatepass" if data.isascii() else "replace")
    for snapshot in test_render.with_one(value):
        for name, made in test_render.files(snapshot).items():
            lines = BEFORE[name] if made is None else made.split(b"\n")
            assert set(BEFORE[name]) <= set(lines) and len(lines) <= len(BEFORE[name]) + 1, name
    made = test_render._file(render.users, test_render.with_one(value)[2])
    assert made is None or len(passwd_file(made)) == 3


@target("smtp.example.com\xffnode\xffpassword", "h\nx\xffu:v\xffp\n", "[::1]\xff\xff")
def smarthost_files(data: bytes) -> None:
    """The relay's settings stay in their line of Postfix's tables."""
    host, username, password = parts(data, 3)
    snapshot = Snapshot(smarthost=Smarthost(host, 587, "starttls", username, password))
    for name, made in test_render.files(snapshot).items():
        plain = test_render.files(Snapshot(smarthost=Smarthost("h", 587, "starttls", "u", "p")))[name]
        assert made is None or plain is None or made.count(b"\n") <= plain.count(b"\n"), name


@target(
    "address,password,quota_mb,display_name\nada@example.com,secret word,5,Ada\n",
    'address;password\n"a',
    "address,password_hash\na@b.c,{SHA512-CRYPT}$6$x$y\n",
    refuses=(InvalidFields,),
)
def csv_import(data: bytes) -> None:
    """A file of mailboxes becomes rows, and sentences about the others."""
    errors = csvrows.Errors()
    found = csvrows.read(data, errors)
    assert len(found) <= data.count(b"\n") + data.count(b"\r") + 1
    errors.raise_if_any()


@target("ada", "Ada.L+x", '"a b"', "ü", refuses=(ValueError,))
def local_part(data: bytes) -> None:
    """A local part stays itself, and is one word."""
    found = addresses.local_part(text(data))
    assert addresses.local_part(found) == found and len(found.split()) == 1


@target("example.com", "münchen.example", "example.com.", refuses=(ValueError,))
def own_domain(data: bytes) -> None:
    """A domain of ours."""
    found = addresses.own_domain(text(data))
    assert addresses.own_domain(found) == found and found.isascii()


@target("ada@example.com", "a|b@c.d", "|cat", ":include:/etc/passwd", refuses=(ValueError,))
def destination(data: bytes) -> None:
    """Where an alias leads is an address, and nothing that Postfix takes for a command or a file."""
    found = addresses.destination(text(data))
    assert found[0] not in "|/:" and len(found.split()) == 1 and "," not in found
    assert addresses.destination(found) == found
    addresses.shown(found)


@target("Ada Lovelace", "a\nb", refuses=(ValueError,))
def display_name(data: bytes) -> None:
    """A display name is one line."""
    assert len(rules.display_name(text(data)).splitlines()) <= 1


@target(
    "{SHA512-CRYPT}$6$salt$hash",
    "$2y$10$abcdefghijklmnopqrstuv",
    "{ssha}x",
    "{PLAIN}x",
    refuses=(ValueError,),
)
def foreign_hash(data: bytes) -> None:
    """A hash that is imported is one that Dovecot checks, without a colon or a space."""
    given = text(data)
    foreignhashes.is_foreign(given)
    foreignhashes.is_bare_digest(given)
    passwords.is_hash(given)
    found = foreignhashes.stored(given)
    assert foreignhashes.stored(found) == found
    assert not set(found) & set(" \t\r\n:\x00")
    assert "PLAIN" not in found.upper() or "$" in found


@target("correct horse battery", "ada@example.com")
def password_problems(data: bytes) -> None:
    """What is said of a password does not repeat it."""
    given = text(data)
    for sentence in passwords.problems(given, "ada@example.com"):
        assert len(given) < 12 or given not in sentence


@target(
    CERTIFICATE + "\xff" + KEY,
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\xffx",
    refuses=(InvalidFields,),
)
def certificate(data: bytes) -> None:
    """A pair that somebody uploads is examined, or refused with a sentence."""
    first, second = (pem.text(part) for part in [*data.split(b"\xff", 1), b""][:2])
    formats.instead_of_a_certificate(first)
    formats.instead_of_a_key(second)
    pem.validity(first)
    pem.examine(first, second, "mail.example.com", NOW)


@target(QUEUE, '{"queue_id": 1}\n', "x")
def postfix_queue(data: bytes) -> None:
    """What postqueue prints."""
    found, total = listing.read(text(data))
    summary = listing.summarise(found, total)
    assert summary.count >= 0
    for reason in summary.reasons:
        assert "\n" not in reason.text
    listing.spoken(text(data))


@target(
    "2026-11-30T04:00:00.123456+00:00 mx postfix/smtpd[1]: connect from x[192.0.2.1]",
    "Nov 30 04:00:00 mx dovecot: auth: password=hunter2hunter2",
    "2026-11-30 04:00:00 #1(main) rspamd; x\x1b[31m",
)
def container_log(data: bytes) -> None:
    """Log lines of Postfix, Dovecot and Rspamd are shown as lines of printable text, in the order of time."""
    lines = logs.readable(text(data))
    merged = logs.merge({"postfix": lines, "rspamd": lines}, NOW)
    assert len(merged) == 2 * len(lines)
    assert not any(control in line for line in merged for control in "\x00\x1b\n\r")


@target(
    *(line.text for service in PARSERS for line in records.lines(service) if PARSERS[service](line.text)),
    'x rspamd_task_write_log: id: <a@b>, from: <"a>, (x: F (reject): [1.2.3/.] [X(1.1.1)]), len: 1,"@c.example>,',
)
def mail_log(data: bytes) -> None:
    """What a line of the mail server's logs says fits into its rows, whatever a stranger has put into it."""
    line = text(data).replace("\n", " ")
    for parse in PARSERS.values():
        for event in parse(line):
            draft = joining.begin(NOW, event)
            joining.add(draft, event, NOW)
            draft.keys.update(joining.keys_of(event), joining.address_keys(line))
            assert all(len(key) <= 330 for key in draft.keys)
            for row in (draft.row, *draft.events):
                for field in row._meta.concrete_fields:
                    value = getattr(row, field.attname)
                    assert not isinstance(value, str) or len(value) <= (field.max_length or 0)


@target("Username\tType\tValue\tLimit\t%\na@b.c\tSTORAGE\t5\t100\t5\n", "Username\tType\tValue\nx")
def mailbox_usage(data: bytes) -> None:
    """What doveadm prints about quotas."""
    assert all(value >= 0 for value in usage.parse(text(data)).values())


@target(
    "Filesystem 1024-blocks Used Available\n/dev/x 100 50 50 50% /a b\nFilesystem Inodes\n/dev/x 10 5 5 5% /\n"
)
def disk_room(data: bytes) -> None:
    """What df prints."""
    room.parse(text(data))


@target("2026-11-30 04:00:00 a@b.c 12\n", "x")
def guesses(data: bytes) -> None:
    """The list of those who guess passwords."""
    guessing.parse(text(data))


@target(b"\x01\x00\x00\x00\x00\x00\x00\x02hi\x02\x00\x00\x00\x00\x00\x00\x01x", b"\x01\x00")
def exec_stream(data: bytes) -> None:
    """The frames of a command's output, however they are cut."""
    whole, pieces = stream.Frames(), stream.Frames()
    whole.feed(data)
    for at in range(0, len(data), 3):
        pieces.feed(data[at : at + 3])
    assert (whole.stdout, whole.stderr, whole.whole) == (pieces.stdout, pieces.stderr, pieces.whole)
    assert len(whole.stdout) + len(whole.stderr) <= len(data)


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("mail/cur/1")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    return out.getvalue()


@target(_tar(), _tar()[:700], refuses=(tarfile.TarError,), grows=False)
def volume_archive(data: bytes) -> None:
    """An archive of a volume is read to its end, or refused with the one error."""
    for info, content in streams.unpacked(iter([data[:100], data[100:]])):
        assert info.name is not None
        content.read()


@target("registry.example/library/a:1@sha256:x", "localhost:5000/a", "a")
def image_name(data: bytes) -> None:
    """A reference to an image."""
    pull.short_name(text(data))


@target('ada@example.com\xffAda "L" <x>\xffmail.example.com', "a@b.c\xff&<\x00\xffh", refuses=(ValueError,))
def mail_program_settings(data: bytes) -> None:
    """Settings for mail programs are well-formed, whatever name a mailbox has."""
    address, name, host = parts(data, 3)
    ET.fromstring(autoconfig.thunderbird(address, host))
    ET.fromstring(autoconfig.outlook(address, host))
    profile: dict[str, Any] = plistlib.loads(autoconfig.apple_profile(address, name, host))
    assert profile["PayloadContent"][0]["EmailAddress"]
