"""sendmail: what it takes, what it makes of it, and how it ends."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DataError, OperationalError, ProgrammingError

from mailrelay.mail import rawmail
from mailrelay.mail.rawmail import RawMail
from mailrelay.management.commands.sendmail import Command
from mailrelay.models import Message, RelaySettings
from mailrelay.sendmail import program
from quazzar.errors import InvalidEmail, KeyFileError, RelayNotConfigured, SealError

pytestmark = pytest.mark.django_db
CRON = b"From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@node> =?utf-8?q?caf=C3=A9?=\n\nall good\n"


@pytest.fixture
def relay(relay: RelaySettings) -> RelaySettings:
    """A relay whose alerts go to two people."""
    relay.alert_recipients = ["ops@example.com", "Boss <boss@example.com>"]
    relay.save()
    return relay


def run(arguments: Sequence[str] | str, data: bytes | None = CRON) -> tuple[int, str]:
    """Exit code and standard error."""
    words = arguments.split() if isinstance(arguments, str) else arguments
    stderr = io.StringIO()
    code = program.run(words, None if data is None else io.BytesIO(data), stderr)
    return code, stderr.getvalue()


def only() -> tuple[Message, RawMail]:
    """The one message in the queue, and what will be on the wire."""
    row = Message.objects.get()
    assert row.body is not None
    return row, rawmail.parse(bytes(row.body.reveal()).removeprefix(b"R"))


def addresses(row: Message) -> list[str]:
    return [recipient["address"] for recipient in row.recipients]


def test_the_data_dir_is_by_default_where_the_settings_have_it() -> None:
    assert program.ROOT == settings.BASE_DIR


# --- what becomes of a message -----------------------------------------------------------------------------
def test_cron_mail_goes_to_the_alert_recipients(relay: RelaySettings, rings: list[str]) -> None:
    assert run("-FCronDaemon -i -B8BITMIME -oem root") == (0, "")
    row, mail = only()
    assert (row.source, row.status, row.envelope_sender) == ("sendmail", "queued", "node@example.org")
    assert addresses(row) == ["ops@example.com", "boss@example.com"]
    assert row.subject == "Cron <root@node> café"
    assert mail.get("from") == "Cron Daemon <node@example.org>"
    assert mail.body == b"all good\n"


def test_root_in_the_header_becomes_an_address_that_a_provider_takes(relay: RelaySettings) -> None:
    run("-t", b"From: root\nTo: root, A <a@example.com>\nReply-To: root\nSender: root\n\nx\n")
    row, mail = only()
    assert mail.get("to") == "root <ops@example.com>, root <boss@example.com>, A <a@example.com>"
    assert row.to == ["root <ops@example.com>", "root <boss@example.com>", "A <a@example.com>"]
    assert (mail.get("reply-to"), mail.get("sender")) == (mail.get("to").rpartition(", ")[0], "")


def test_recipients_of_header_and_command_line_get_it_once(relay: RelaySettings) -> None:
    assert run("-t c@example.com", b"To: a@example.com\nCc: b@EXAMPLE.com\nBcc: c@example.com\n\nx\n")[0] == 0
    row, mail = only()
    assert addresses(row) == ["c@example.com", "a@example.com", "b@example.com"]
    assert mail.texts("bcc") == []


def test_without_t_the_header_names_nobody(relay: RelaySettings) -> None:
    run(["x@example.com,Y <y@example.com>"], b"To: a@example.com\nBcc: b@example.com\n\nx\n")
    row, mail = only()
    assert addresses(row) == ["x@example.com", "y@example.com"]
    assert (mail.get("to"), mail.texts("bcc")) == ("a@example.com", [])


def test_a_complete_message_is_kept_byte_for_byte(relay: RelaySettings) -> None:
    data = (
        b"X-B: 1\nfrom: Me\n <me@example.net>\nTo: a@example.com\nDate: now\nMessage-Id: <m@example.net>\n"
        b"Subject: caf\xe9\n\ncaf\xe9\r\n\x00\n..\n"
    )
    assert run("-i -t", data) == (0, "")
    row, mail = only()
    assert mail.as_bytes() == data
    assert (row.message_id, row.subject) == ("<m@example.net>", "café")


def test_what_is_missing_is_added(relay: RelaySettings) -> None:
    RelaySettings.objects.update(from_name="Node 7")
    run("-i a@example.com", b"disk failing\n")
    row, mail = only()
    assert mail.get("from") == "Node 7 <node@example.org>"
    assert mail.get("date")
    assert mail.get("message-id") == row.message_id
    assert row.message_id.endswith("@example.org>")
    assert (mail.get("to"), row.to) == ("undisclosed-recipients:;", [])
    assert mail.body == b"disk failing\n"


@pytest.mark.parametrize(
    ("author", "becomes"),
    [
        ("root", "Given <node@example.org>"),
        ("Cron Daemon <root>", "Cron Daemon <node@example.org>"),
        ("logwatch@localhost (Logwatch)", "Logwatch <node@example.org>"),
        ("Cron Daemon", "Cron Daemon <node@example.org>"),
        ('"Doe, J" <root@localhost>', '"Doe, J" <node@example.org>'),
        ("<>", "Given <node@example.org>"),
        ("root@node.example.net", "root@node.example.net"),
    ],
)
def test_an_author_on_this_node_becomes_the_relay(relay: RelaySettings, author: str, becomes: str) -> None:
    run("-t -F Given", f"From: {author}\nTo: a@example.com\n\nx\n".encode())
    assert only()[1].get("from") == becomes


@pytest.mark.parametrize(
    ("options", "sender"),
    [
        (["-f", "a@Example.net"], "a@example.net"),
        (["-fA <a@example.net>"], "a@example.net"),
        (["-r", "<a@example.net>"], "a@example.net"),
        (["-f", "root"], "node@example.org"),
        (["-f", "root@localhost"], "node@example.org"),
        (["-f", "<>"], ""),
        (["-f", ""], ""),
        ([], "node@example.org"),
    ],
)
def test_the_envelope_sender(relay: RelaySettings, options: list[str], sender: str) -> None:
    assert run([*options, "a@example.com"]) == (0, "")
    assert only()[0].envelope_sender == sender


@pytest.mark.parametrize(
    "sender", ["a@example.net\n", "\r\n", "a@example.net\r\nRCPT TO:<b@example.net>", "\x1b"]
)
def test_a_sender_with_a_line_break_is_refused(relay: RelaySettings, sender: str) -> None:
    code, sentence = run(["-f", sender, "a@example.com"])
    assert (code, sentence) == (
        os.EX_DATAERR,
        "sendmail: The sender contains a line break or a control character.\n",
    )
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("option", "body"),
    [("", b"one\n"), ("-i", b"one\n.\ntwo\n"), ("-oi", b"one\n.\ntwo\n")],
)
def test_a_line_with_only_a_dot_ends_the_message_unless_i_is_set(
    relay: RelaySettings, option: str, body: bytes
) -> None:
    run(f"{option} a@example.com", b"Subject: x\n\none\n.\ntwo\n")
    assert only()[1].body == body


def test_verbose_says_what_was_queued(relay: RelaySettings) -> None:
    assert run("-v a@example.com")[1] == f"sendmail: queued as message {only()[0].pk} for a@example.com.\n"


def test_a_queue_run_reads_nothing_and_is_content() -> None:
    assert run("-q", None) == (0, "")


def test_the_bell_is_rung_after_the_commit(
    relay: RelaySettings, rings: list[str], django_capture_on_commit_callbacks: object
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        run("a@example.com")
        assert rings == []
    assert rings == ["ring"]


# --- what is refused ---------------------------------------------------------------------------------------
def test_what_cannot_be_queued_is_refused_in_one_line(
    subtests: pytest.Subtests, relay: RelaySettings
) -> None:
    for arguments, data, code, words in [
        ("", CRON, os.EX_USAGE, "List the recipients"),
        ("-bp", CRON, os.EX_USAGE, "-bp is not supported"),
        ("--fast root", CRON, os.EX_USAGE, "not an option"),
        ("-t", b"", os.EX_DATAERR, "empty"),
        ("-t", b" \n\n", os.EX_DATAERR, "empty"),
        ("-t", b"Subject: x\n\ny\n", os.EX_DATAERR, "has no recipient"),
        ("-t", b"To: a@b@c\n\ny\n", os.EX_DATAERR, "'a@b@c' is not a mail address"),
        ("a@example.com -f a@@b", CRON, os.EX_DATAERR, "not a mail address"),
        ("-t", b"To: a@example.com b@example.com\n\nx\n", os.EX_DATAERR, "not a mail address"),
        ("a@example.com", b"Cc: a b@example.com\n\nx\n", os.EX_DATAERR, "Cc cannot be understood"),
        (
            "a@example.com",
            b"List-Unsubscribe: <" + b"x" * 1500 + b">\n\nx\n",
            os.EX_DATAERR,
            "List-Unsubscribe",
        ),
        ("a@example.com", None, os.EX_NOINPUT, "no standard input"),
    ]:
        with subtests.test(arguments=arguments, data=data, code=code, words=words):
            got, stderr = run(arguments, data)
            assert got == code
            assert words in stderr
            assert stderr.startswith("sendmail: ")
            assert stderr.count("\n") == 1
            assert not Message.objects.exists()


def test_a_recipient_cannot_smuggle_a_header_in(relay: RelaySettings) -> None:
    assert run(["root\nBcc: evil@example.com"])[0] == os.EX_DATAERR
    assert run(["-F", "Ops\nBcc: evil@example.com", "a@example.com"], b"x\n")[0] == 0
    assert only()[1].texts("bcc") == []


def test_local_mail_without_alert_recipients_says_where_to_set_them(relay: RelaySettings) -> None:
    RelaySettings.objects.update(alert_recipients=[])
    code, stderr = run("a@example.com root")
    assert (code, Message.objects.count()) == (os.EX_NOUSER, 0)
    assert "local user root" in stderr
    assert "Relay settings" in stderr


def test_root_in_the_header_alone_needs_no_alert_recipients(relay: RelaySettings) -> None:
    RelaySettings.objects.update(alert_recipients=[])
    assert run("a@example.com", b"To: root\n\nx\n")[0] == 0
    assert only()[1].get("to") == "root <node@example.org>"


def test_without_a_relay_it_says_so(rings: list[str]) -> None:
    code, stderr = run("root")
    assert code == os.EX_CONFIG
    assert "No relay is configured" in stderr


def test_a_message_that_is_too_large_is_refused(
    relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailrelay.mail.emails.MAX_BYTES", 1024)
    assert run("-i a@example.com", b"Subject: x\n\n" + b"x" * 3000)[0] == os.EX_DATAERR


def test_input_that_cannot_be_read_is_no_traceback(relay: RelaySettings) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    stderr = io.StringIO()
    assert program.run(["-i", "root"], Broken(), stderr) == os.EX_NOINPUT
    assert "Input/output error" in stderr.getvalue()


def failing(exc: Exception) -> tuple[int, str]:
    """The result when the database, or something it needs, fails like this."""

    def prepare() -> None:
        raise exc

    stderr = io.StringIO()
    return program.run(["root"], io.BytesIO(CRON), stderr, prepare), stderr.getvalue()


def denied() -> KeyFileError:
    exc = KeyFileError("The key file cannot be read.")
    exc.__cause__ = PermissionError(errno.EACCES, "Permission denied")
    return exc


def test_every_failure_has_its_exit_code_and_one_sentence(subtests: pytest.Subtests) -> None:
    for exc, code in [
        (OperationalError("database is locked"), os.EX_TEMPFAIL),
        (OperationalError("connection to server failed\nmore"), os.EX_TEMPFAIL),
        (OperationalError("database or disk is full"), os.EX_TEMPFAIL),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), os.EX_TEMPFAIL),
        (OperationalError("no such table: mailrelay_message"), os.EX_CONFIG),
        (ProgrammingError('relation "mailrelay_message" does not exist'), os.EX_CONFIG),
        (ImproperlyConfigured("DEBUG must be one of true, false."), os.EX_CONFIG),
        (KeyFileError("The key file can be read by others.", hint="chmod 600"), os.EX_CONFIG),
        (RelayNotConfigured(), os.EX_CONFIG),
        (denied(), os.EX_NOPERM),
        (PermissionError(errno.EACCES, "Permission denied", "/data"), os.EX_NOPERM),
        (OperationalError("attempt to write a readonly database"), os.EX_NOPERM),
        (OperationalError("unable to open database file"), os.EX_NOPERM),
        (OSError(errno.EROFS, "Read-only file system", "/data"), os.EX_CANTCREAT),
        (InvalidEmail("to", "Wrong."), os.EX_DATAERR),
        (SealError(), os.EX_SOFTWARE),
        (DataError("too long"), os.EX_SOFTWARE),
    ]:
        with subtests.test(exc=exc, code=code):
            got, stderr = failing(exc)
            assert got == code
            assert stderr.startswith("sendmail: ")
            assert stderr.count("\n") == 1
            assert stderr.rstrip().endswith((".", "chmod 600"))


def test_a_caller_that_closed_standard_error_is_no_failure() -> None:
    stderr = io.StringIO()
    stderr.close()
    assert program.run([], None, stderr) == os.EX_USAGE


# --- the command -------------------------------------------------------------------------------------------
def test_the_command_passes_every_option_through(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sequence[str]] = []

    def run_alone(words: Sequence[str]) -> int:
        seen.append(words)
        return os.EX_NOUSER

    monkeypatch.setattr(program, "run_alone", run_alone)
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["manage.py", "sendmail", "-v", "-t", "-i", "--", "root"])
    assert (seen, ended.value.code) == ([["-v", "-t", "-i", "--", "root"]], os.EX_NOUSER)


def test_call_command_points_at_the_sender() -> None:
    with pytest.raises(CommandError, match="Sender"):
        call_command("sendmail")


def test_an_error_of_our_own_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program._unexpected(ZeroDivisionError, None, None)
    assert ended.value.code == os.EX_SOFTWARE
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert sys.excepthook is not program._unexpected


# --- what careless programs write --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "to", "people"),
    [
        (b"To: a@example.com; b@example.com\n\nx\n", "a@example.com, b@example.com", ["a", "b"]),
        (b"To: a@example.com\nSubject: P1\nTo: a@example.com\n\nx\n", "a@example.com", ["a"]),
        (b"\nTo: a@example.com\nSubject: x\n\nx\n", "a@example.com", ["a"]),
        (b"To: a@example.com\r\r\nSubject: N4\r\r\n\r\r\nbody\r\r\n", "a@example.com", ["a"]),
        (b"To: a@example.com\nSubject: host\rBcc: c@example.com\n\nb\n", "a@example.com", ["a"]),
        (b"To: Undisclosed recipients:;\nBcc: c@example.com;\n\nb\n", "Undisclosed recipients:;", ["c"]),
        (b"Bcc: c@example.com\nCc: ,\nReturn-Path: <root>\n\nb\n", "undisclosed-recipients:;", ["c"]),
        ("To: Jörg <a@example.com>\n\nb\n".encode("latin-1"), "=?utf-8?b?SsO2cmc=?= <a@example.com>", ["a"]),
    ],
)
def test_the_header_says_what_the_envelope_does(
    relay: RelaySettings, data: bytes, to: str, people: list[str]
) -> None:
    assert run("-t", data) == (0, "")
    row, mail = only()
    assert mail.texts("to") == [to]
    assert addresses(row) == [f"{name}@example.com" for name in people]
    assert not {"cc", "bcc", "return-path"} & {field.name for field in mail.fields}
