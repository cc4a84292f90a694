"""The edge to IMAP servers: opens a mailbox, lists what is new in a folder, fetches it, marks or moves it."""

from __future__ import annotations

import base64
import hashlib
import imaplib
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Self

from mailrelay.inbox.deadline import Deadline
from quazzar import tlsfailures, words
from quazzar.errors import QuazzarError

#: Seconds to wait for the server, each time; and for all that is done with a mailbox at one time.
_SECONDS, _SECONDS_IN_ALL = 20.0, 120.0
#: A larger mail is not fetched: no report has that size.
MOST_BYTES = 12 * 1024 * 1024
#: What a server may send in answer to one command.
MOST_AT_ONCE = 2 * MOST_BYTES
#: Mails that one command moves or removes.
_AT_ONCE = 500
#: What imaplib raises, also at answers that are not IMAP.
_TROUBLE = (imaplib.IMAP4.error, OSError, ValueError, IndexError, KeyError, TypeError, AssertionError)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")
_PRINTABLE = re.compile(r"([^\x20-\x25\x27-\x7e]+)")


class InboxError(QuazzarError):
    """An inbox cannot be read."""

    code = "inbox_unreadable"
    message = "The inbox cannot be read."
    permanent = False
    status = 502


@dataclass(frozen=True, slots=True)
class Account:
    """Where a mailbox is, and how to sign in."""

    host: str
    port: int
    security: str
    username: str
    password: str = field(repr=False)
    #: Other names of the same server, for when ``host`` does not answer.
    other_hosts: tuple[str, ...] = ()
    #: SHA-256 of the certificates of which the server must have one; empty: an authority must vouch for it.
    certificates: tuple[str, ...] = ()


class _Plain(imaplib.IMAP4):
    """Takes no more than fits in memory, whatever the server sends.

    Attributes:
        left: bytes that it may still send before the next command.
    """

    left = MOST_AT_ONCE

    def __init__(self, host: str, port: int, deadline: Deadline, **more: Any) -> None:
        self._deadline = deadline
        super().__init__(host, port, timeout=_SECONDS, **more)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        connection: socket.socket = imaplib.IMAP4._create_socket(self, timeout)  # type: ignore[attr-defined]
        self._deadline.watch(connection)
        return connection

    def read(self, size: int) -> bytes:
        """A literal; refused by its announced size."""
        self._take(size)
        return super().read(size)

    def readline(self) -> bytes:
        """A line of an answer; it counts towards what the server may send at once."""
        line = super().readline()
        self._take(len(line))
        return line

    def _take(self, number: int) -> None:
        self.left -= number
        if self.left < 0:
            raise InboxError(
                f"The server sent more than {MOST_AT_ONCE // 1024**2} MiB at once.",
                hint="Check that the host is an IMAP server that you trust.",
            )


class _Encrypted(_Plain, imaplib.IMAP4_SSL):
    """The same over TLS."""

    def _create_socket(self, timeout: float | None) -> ssl.SSLSocket:
        context: ssl.SSLContext = self.ssl_context
        return context.wrap_socket(super()._create_socket(timeout), server_hostname=self.host)


class Mailbox:
    """A signed-in connection. Use it in ``with``.

    Attributes:
        host: the one that answered.

    Raises:
        InboxError: from every method; it says what to do.
    """

    def __init__(self, account: Account) -> None:
        self._account, self._deadline = account, Deadline(_SECONDS_IN_ALL)
        self.host, self._imap = self._reached()
        try:
            self._sign_in()
        except InboxError:
            self._leave()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._leave()

    # --- opening

    def _reached(self) -> tuple[str, _Plain]:
        """The first host that answers, and has one of the certificates if it must.

        Raises:
            InboxError: none does; of the first one.
        """
        given, failure = self._account, None
        for host in (given.host, *given.other_hosts):
            self._account = replace(given, host=host)
            try:
                return host, self._connected()
            except InboxError as exc:
                failure = failure or exc
        self._deadline.over()
        raise failure or InboxError

    def _connected(self) -> _Plain:
        account = self._account
        context = ssl.create_default_context()
        if account.certificates:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with self._told("connect"):
            imap = self._opened(context)
            if account.certificates:
                self._check_certificate(imap)
            return imap

    def _check_certificate(self, imap: _Plain) -> None:
        """Before anything secret is sent."""
        found = imap.sock.getpeercert(binary_form=True) if isinstance(imap.sock, ssl.SSLSocket) else None
        if found and hashlib.sha256(found).hexdigest() in self._account.certificates:
            return
        imap.shutdown()
        raise InboxError(
            f"Another server answers at {self._account.host}, port {self._account.port}: "
            "it does not have the certificate of this node's mail server."
        )

    def _opened(self, context: ssl.SSLContext) -> _Plain:
        account = self._account
        if account.security == "tls":
            return _Encrypted(account.host, account.port, self._deadline, ssl_context=context)
        imap = _Plain(account.host, account.port, self._deadline)
        if account.security == "none":
            return imap
        with ExitStack() as until_encrypted:
            until_encrypted.callback(imap.shutdown)
            if "STARTTLS" not in imap.capabilities:
                raise InboxError(
                    f"{account.host} does not offer STARTTLS on port {account.port}.",
                    hint="Choose Implicit TLS with port 993, or ask the provider.",
                )
            imap.starttls(context)
            until_encrypted.pop_all()
        return imap

    def _sign_in(self) -> None:
        account, offered = self._account, self._imap.capabilities
        secret = account.password.encode()
        with self._told("sign in"):
            if "AUTH=PLAIN" in offered:
                self._authenticate("PLAIN", [b"\0".join([b"", account.username.encode(), secret])])
            elif "AUTH=LOGIN" in offered:
                self._authenticate("LOGIN", [account.username.encode(), secret])
            elif "LOGINDISABLED" in offered or not account.password.isascii():
                raise InboxError(
                    f"{account.host} offers no way to sign in with this password.",
                    hint="Choose an encrypted connection, or a password of plain letters and digits.",
                )
            else:
                self._imap.login(account.username, account.password)
            _, found = self._imap.capability()  # many servers tell more once they know who asks
            self._offers = frozenset(b" ".join(_texts(found)).decode("ascii", "replace").upper().split())

    def _authenticate(self, mechanism: str, answers: list[bytes]) -> None:
        waiting = iter(answers)
        # None cancels the exchange (RFC 3501 §6.2.2).
        answer: Callable[[bytes], Any] = lambda _: next(waiting, None)  # noqa: E731
        self._imap.authenticate(mechanism, answer)

    # --- reading

    def select(self, folder: str) -> tuple[int, int]:
        """Open a folder; returns its UIDVALIDITY, and the UID that the next mail will have (0 if it does not say)."""
        with self._told("open"):
            kind, _ = self._imap.select(_quoted(folder))
            if kind != "OK":
                raise InboxError(
                    f"The mailbox has no folder {folder}.",
                    hint="Type the name as the server writes it; INBOX is there always.",
                )
            return self._number("UIDVALIDITY"), self._number("UIDNEXT")

    def _number(self, name: str) -> int:
        _, found = self._imap.response(name)
        return int(found[0]) if found and found[0] else 0

    def since(self, day: date) -> list[int]:
        """The UIDs of the mails that came on that day or later, in order."""
        return self._search("SINCE", _day(day))

    def after(self, uid: int) -> list[int]:
        """The UIDs above this one, in order."""
        # "7:*" always includes the last mail, whatever its UID.
        return [found for found in self._search("UID", f"{uid + 1}:*") if found > uid]

    def _search(self, *criteria: str) -> list[int]:
        with self._told("read"):
            found = self._command("SEARCH", *criteria)
            return sorted(
                {int(number) for line in found if isinstance(line, bytes) for number in line.split()}
            )

    def fetch(self, uid: int) -> bytes | None:
        """A mail, not marked as read by that; None if it is gone, or larger than ``MOST_BYTES``."""
        with self._told("read"):
            size = _SIZE.search(b" ".join(_texts(self._command("FETCH", str(uid), "(RFC822.SIZE)"))))
            if size is None or int(size[1]) > MOST_BYTES:
                return None
            parts = self._command("FETCH", str(uid), "(BODY.PEEK[])")
            return next((part[1] for part in parts if isinstance(part, tuple)), None)

    def mark_seen(self, uid: int) -> None:
        """Mark a mail as read."""
        with self._told("mark"):
            self._command("STORE", str(uid), "+FLAGS.SILENT", r"(\Seen)")

    def move(self, uid: int, folder: str) -> None:
        """Move a mail to a folder, which is made if it is missing."""
        with self._told("move"):
            with suppress(imaplib.IMAP4.error):
                self._imap.create(_quoted(folder))  # NO if it exists
            self._command("STORE", str(uid), "+FLAGS.SILENT", r"(\Seen)")
            if "MOVE" in self._offers:
                self._command("MOVE", str(uid), _quoted(folder))
                return
            self._command("COPY", str(uid), _quoted(folder))
            self._command("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)")
            if "UIDPLUS" in self._offers:  # a plain EXPUNGE would remove what others have deleted
                self._command("EXPUNGE", str(uid))

    def move_all(self, folder: str, to: str) -> None:
        """Move every mail in a folder to another one; nothing happens if there is no such folder."""
        with self._told("move"):
            if self._imap.select(_quoted(folder))[0] == "OK":
                for some in _portions(self._search("ALL")):
                    self._command("MOVE", some, _quoted(to))

    def remove_before(self, day: date) -> None:
        """Remove the mails of the open folder that came before this day."""
        with self._told("remove"):
            for some in _portions(self._search("BEFORE", _day(day))):
                self._command("STORE", some, "+FLAGS.SILENT", r"(\Deleted)")
                self._command("EXPUNGE", some)

    def _command(self, name: str, *arguments: str) -> list[Any]:
        self._imap.left = MOST_AT_ONCE
        kind, found = self._imap.uid(name, *arguments)
        if kind != "OK":
            raise InboxError(f"The server refused {name}: {_said(found)}.")
        return found

    def _leave(self) -> None:
        with suppress(InboxError, *_TROUBLE):
            self._imap.logout()
        self._deadline.over()

    # --- what went wrong

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            with self._in_time():
                yield
        except ssl.SSLError as exc:
            failure = tlsfailures.explain(exc, self._account.host)
            raise InboxError(failure.sentence, hint=_TLS_HINTS.get(failure.kind, "")) from exc
        except TimeoutError as exc:
            raise InboxError(
                f"{self._account.host} did not answer on port {self._account.port} within {_SECONDS:.0f} s.",
                hint="Check host and port, and whether a firewall is in the way.",
            ) from exc
        except ConnectionRefusedError as exc:
            raise InboxError(
                f"Nothing listens at {self._account.host}, port {self._account.port}.",
                hint="IMAP has port 993 with Implicit TLS, or 143 with STARTTLS.",
            ) from exc
        except OSError as exc:
            what = exc.strerror or type(exc).__name__
            raise InboxError(
                f"{self._account.host} cannot be reached: {what}.", hint="Check the name of the host."
            ) from exc
        except imaplib.IMAP4.abort as exc:
            raise InboxError(f"{self._account.host} closed the connection: {_said([exc])}.") from exc
        except _TROUBLE as exc:
            if isinstance(exc, InboxError):
                raise
            if doing == "sign in":
                raise InboxError(
                    f"{self._account.host} refused the sign-in: {_said([exc])}.",
                    hint="Check user name and password. Gmail, Yahoo, iCloud and others want an app password for IMAP.",
                ) from exc
            raise InboxError(
                f"{self._account.host} gave an answer that is not IMAP: {_said([exc])}."
            ) from exc

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """What was cut off is told as what it is."""
        try:
            yield
        except _TROUBLE as exc:
            if not self._deadline.passed:
                raise
            raise InboxError(
                f"{self._account.host} took longer than {self._deadline.seconds:.0f} s.",
                hint="The server answers too slowly, or does not speak IMAP as it should. Ask its operator.",
            ) from exc


_TLS_HINTS = {
    "tls_wrong_version": "Port 993 wants Implicit TLS, port 143 STARTTLS.",
    "cert_hostname": "Use the host name that is in the certificate.",
    "cert_self_signed": "Install the server's certificate as a trusted authority on this node.",
    "cert_unknown_ca": "Install the server's certificate authority on this node.",
}


def _day(day: date) -> str:
    return f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year}"


def _portions(uids: list[int]) -> Iterator[str]:
    """The UIDs as sets of messages, short enough for one command."""
    for start in range(0, len(uids), _AT_ONCE):
        yield ",".join(map(str, uids[start : start + _AT_ONCE]))


def _texts(found: list[Any]) -> Iterator[bytes]:
    for part in found:
        yield from (
            piece for piece in (part if isinstance(part, tuple) else (part,)) if isinstance(piece, bytes)
        )


def _said(found: list[Any]) -> str:
    text = next((one for one in found if one), "")
    if isinstance(text, Exception):
        text = text.args[0] if text.args else type(text).__name__
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return words.one_line(text.removeprefix("b'").rstrip("'."), 200) or "no reason given"


def _quoted(folder: str) -> str:
    """A folder's name in modified UTF-7 (RFC 3501 §5.1.3), quoted."""
    encoded = _PRINTABLE.sub(lambda match: _piece(match[1]), folder)
    return '"' + encoded.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _piece(text: str) -> str:
    if set(text) == {"&"}:
        return "&-" * len(text)
    if "&" in text:
        return "".join(_piece(piece) for piece in re.findall("&+|[^&]+", text))
    coded = base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
    return f"&{coded}-"
