"""The program behind bin/quazzar-sendmail: queues one message from standard input; exits as sysexits(3) says.

Models are imported only when they are needed: cron waits for this process, and a wrong option or an unreadable folder
must end in a sentence, not in a traceback.
"""

from __future__ import annotations

import errno
import logging
import os
import pwd
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, TextIO

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseFailure
from django.db import InterfaceError, OperationalError

from mailrelay.expected import signatures
from mailrelay.mail import addresslists, emails, rawmail
from mailrelay.mail.rawmail import RawMail
from mailrelay.sendmail.options import Options, UsageError, parse
from quazzar.env import env_path
from quazzar.errors import InvalidEmail, KeyFileError, QuazzarError, RelayNotConfigured

if TYPE_CHECKING:
    from mailrelay.models import Message
    from mailrelay.queue.submission import Node

ROOT = Path(__file__).resolve().parents[2]
#: One byte more than the queue accepts, so that the queue can say that it is too much.
_READ_LIMIT = emails.MAX_BYTES * 2 + 1
_DOT_LINES = frozenset({b".\n", b".\r\n", b"."})
#: Errors that may be gone when the caller tries again.
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
_UNPREPARED = ("no such table", "no such column", "does not exist")
_FORBIDDEN = ("readonly database", "unable to open database file", "permission denied")


class Refused(Exception):
    """Nothing was queued; the text is a sentence for the caller.

    Attributes:
        exit_code: the code of sysexits(3) to exit with.
    """

    def __init__(self, exit_code: int, sentence: str) -> None:
        self.exit_code = exit_code
        super().__init__(sentence)


# --- the process -------------------------------------------------------------------------------------------
def main() -> int:
    """Run the program; returns the exit code."""
    return run_alone(sys.argv[1:], prepare)


def run_alone(arguments: Sequence[str], prepare: Callable[[], None] = lambda: None) -> int:
    """Call ``run`` in a process that does nothing else: its caller sees neither log lines nor a traceback."""
    sys.excepthook = _unexpected
    logging.disable(logging.CRITICAL)
    # Python has no sys.stdin when the caller closed it.
    stdin: TextIO | None = sys.stdin
    return run(arguments, stdin.buffer if stdin else None, sys.stderr, prepare)


def prepare() -> None:
    """Load the settings, this app's models and those of the hosted domains, and nothing else of the product.

    Raises:
        Refused: the product was never set up here.
    """
    folder = env_path("QUAZZAR_DATA_DIR", ROOT / "var")
    if not folder.exists():
        raise Refused(
            os.EX_CONFIG, f"Mail Relay is not set up yet ({folder} is missing). Run make run in {ROOT}."
        )
    become_owner(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quazzar.settings")
    from django.apps import AppConfig, apps
    from django.conf import settings

    # Plain AppConfigs, because ready() of the real ones loads what only servers need.
    names = ("mailrelay", settings.HOSTED_DOMAINS_MODEL.partition(".")[0])
    apps.populate([AppConfig(name, import_module(name)) for name in names])
    import_module("quazzar.celery")  # the doorbell's way to the broker


def become_owner(folder: Path) -> None:
    """As root, become the owner of the folder: the product runs as that user, who owns key file and database."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.setgroups([owner.st_gid])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def _unexpected(kind: type[BaseException], _value: object, _traceback: object) -> NoReturn:
    _say(sys.stderr, f"The mail was not accepted because of an error in Mail Relay itself ({kind.__name__}).")
    raise SystemExit(os.EX_SOFTWARE)


# --- the work ----------------------------------------------------------------------------------------------
def run(
    arguments: Sequence[str],
    stdin: BinaryIO | None,
    stderr: TextIO,
    prepare: Callable[[], None] = lambda: None,
) -> int:
    """Queue the message on ``stdin`` and return the exit code; a failure is one line on ``stderr``.

    ``prepare`` is called before the database is used, to load what that needs.
    """
    try:
        options = parse(arguments)
        if options.only_queue_run:
            return os.EX_OK  # the worker sends what is queued by itself
        mail = rawmail.read(read_message(stdin, dot_ends=options.dot_ends))
        prepare()
        row = _queue(mail, options)
    except (Refused, UsageError, QuazzarError, ImproperlyConfigured, DatabaseFailure, OSError) as exc:
        code, sentence = verdict(exc)
        _say(stderr, sentence)
        return code
    if options.verbose:
        people = ", ".join(recipient["address"] for recipient in row.recipients)
        _say(stderr, f"queued as message {row.pk} for {people}.")
    return os.EX_OK


def read_message(stdin: BinaryIO | None, *, dot_ends: bool) -> bytes:
    """Read the message, to the end of the input or, with ``dot_ends``, to a line with nothing but a dot.

    Raises:
        Refused: standard input is closed, cannot be read, or is empty.
    """
    if stdin is None:
        raise Refused(os.EX_NOINPUT, "There is no standard input to read the message from.")
    try:
        data = _until_dot(stdin) if dot_ends else stdin.read(_READ_LIMIT)
    except OSError as exc:
        raise Refused(os.EX_NOINPUT, f"The message cannot be read: {exc.strerror}.") from exc
    if not data.strip():
        raise Refused(os.EX_DATAERR, "The message is empty.")
    return data


def _until_dot(stdin: BinaryIO) -> bytes:
    lines: list[bytes] = []
    size = 0
    for line in stdin:
        size += len(line)
        if line in _DOT_LINES or size > _READ_LIMIT:
            break
        lines.append(line)
    return b"".join(lines)


def _queue(mail: RawMail, options: Options) -> Message:
    from django.db import transaction

    from mailrelay.expected import arrivals
    from mailrelay.queue import submission
    from quazzar.actors import acting_as

    node = submission.node()
    sender, recipients = _sender(options, node), envelope(mail, options, node)
    # Together: a report counts as come if its mail was taken.
    with acting_as(f"sendmail:{_user()}"), transaction.atomic():
        row = submission.submit(
            submission.with_deliverable_people(mail, node),
            node=node,
            sender=sender,
            recipients=recipients,
            source="sendmail",
            name=addresslists.decoded(options.name),
        )
        arrivals.record(signatures.of_mail(_author(mail, options), row.subject))
    return row


def _author(mail: RawMail, options: Options) -> str:
    """Who wrote it, as the sender itself says: ``root``, ``root@nas``."""
    authors = mail.mailboxes("from")
    return authors[0].address if authors else (options.sender or "")


def _user() -> str:
    """The name of the user who calls, or its number."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _sender(options: Options, node: Node) -> str:
    if not (options.sender or "").isprintable():
        raise InvalidEmail("from_address", "The sender contains a line break or a control character.")
    if options.null_sender:
        return ""
    asked = addresslists.parse(options.sender or "")
    return node.sender(asked[0].address if len(asked) == 1 else options.sender or "")


def envelope(mail: RawMail, options: Options, node: Node) -> list[str]:
    """The envelope recipients, without duplicates; mail for local users goes to the alert recipients.

    Raises:
        Refused: there is no recipient, or one is local and no alert recipients are set.
        InvalidEmail: a recipient is not an address.
    """
    from mailrelay.queue.submission import checked

    if not all(text.isprintable() for text in options.recipients):
        raise InvalidEmail("to", "A recipient contains a line break or a control character.")
    asked = [mailbox for text in options.recipients for mailbox in addresslists.parse(text)]
    asked += rawmail.recipients(mail) if options.from_header else []
    if not asked:
        raise Refused(os.EX_DATAERR, "The message has no recipient.")
    recipients: dict[str, None] = {}
    for address in [checked("to", mailbox.address) for mailbox in asked]:
        if node.is_local(address) and not node.alert_recipients:
            raise Refused(os.EX_NOUSER, _nobody(address))
        recipients |= dict.fromkeys(node.receivers(address))
    return list(recipients)


def _nobody(address: str) -> str:
    return (
        f"Mail for the local user {address} goes to the alert recipients, but none are set. Set them in "
        "the console under Mail Relay, Relay settings."
    )


# --- what went wrong ---------------------------------------------------------------------------------------
def verdict(exc: Exception) -> tuple[int, str]:
    """The exit code and the sentence for a failure."""
    match exc:
        case Refused():
            return exc.exit_code, str(exc)
        case UsageError():
            return os.EX_USAGE, str(exc)
        case InvalidEmail():
            return os.EX_DATAERR, exc.message
        case KeyFileError() if not isinstance(exc.__cause__, PermissionError):
            return os.EX_CONFIG, f"{exc.message} {exc.hint}"
        case KeyFileError():
            return os.EX_NOPERM, f"{exc.message} {exc.hint}"
        case RelayNotConfigured():
            return os.EX_CONFIG, f"{exc.message} {exc.hint}"
        case ImproperlyConfigured():
            return os.EX_CONFIG, str(exc)
        case DatabaseFailure():
            return _database_verdict(exc)
        case PermissionError():
            return os.EX_NOPERM, _may_not(str(exc.filename))
        case OSError():
            code = os.EX_TEMPFAIL if exc.errno in _PASSING else os.EX_CANTCREAT
            return code, f"The mail cannot be stored: {exc.strerror} ({exc.filename})."
    return os.EX_SOFTWARE, str(exc)


def _database_verdict(exc: DatabaseFailure) -> tuple[int, str]:
    first = (str(exc).splitlines() or [type(exc).__name__])[0].rstrip(".")
    if any(part in first.lower() for part in _UNPREPARED):
        return os.EX_CONFIG, f"The database is not set up ({first}). Run make run in {ROOT}."
    if any(part in first.lower() for part in _FORBIDDEN):
        return os.EX_NOPERM, _may_not(f"the database ({first})")
    if isinstance(exc, OperationalError | InterfaceError):
        return os.EX_TEMPFAIL, f"The database is not available right now ({first}). Try again later."
    return os.EX_SOFTWARE, f"The database refused the mail ({first})."


def _may_not(what: str) -> str:
    return f"User {os.geteuid()} may not use {what}. Run this as root, or as the user that runs Mail Relay."


def _say(stderr: TextIO, sentence: str) -> None:
    try:
        stderr.write(f"sendmail: {' '.join(sentence.split())}\n")
        stderr.flush()
    except (OSError, ValueError):
        pass  # the caller closed it, so it does not want to know


if __name__ == "__main__":
    sys.exit(main())
