"""Real SMTP and IMAP clients for a mail server under test; an answer of the server is a value, not an exception."""

from __future__ import annotations

import email.policy
import functools
import imaplib
import smtplib
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import make_msgid
from typing import Literal

import dkim

#: Test strings that end a scan of Rspamd. Its names for what each stands for: reject, add header, no action.
GTUBES = tuple(
    f"{letter}JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X" for letter in "XYZ"
)

TLS = Literal["none", "starttls", "implicit"]
#: How each standard port is spoken to.
_USUAL: dict[int, TLS] = {25: "none", 587: "starttls", 465: "implicit"}
_TIMEOUT = 20.0


@dataclass(frozen=True)
class Server:
    """Where it listens: the standard ports, all moved by an offset."""

    offset: int = 0
    host: str = "127.0.0.1"

    def port(self, standard: int) -> int:
        """The port that stands for a standard one."""
        return standard + self.offset


@dataclass(frozen=True)
class Login:
    """Who logs in."""

    address: str
    password: str


@dataclass(frozen=True)
class Answer:
    """What the server said last.

    Attributes:
        stage: connect, auth, mail, rcpt or data.
    """

    stage: str
    code: int
    text: str

    @property
    def accepted(self) -> bool:
        """Whether the server accepted the message."""
        return self.stage == "data" and self.code == 250

    def __str__(self) -> str:
        return f"{self.stage}: {self.code} {self.text}"


@functools.cache
def trusting() -> ssl.SSLContext:
    """TLS that asks for no name: the server's certificate is its own. One for all: each costs a login's time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# --- SMTP --------------------------------------------------------------------------------------------------
@contextmanager
def smtp_session(server: Server, port: int = 25, *, tls: TLS | None = None) -> Iterator[smtplib.SMTP]:
    """A greeted session, with TLS as is usual on that standard port unless said otherwise."""
    wanted = _USUAL[port] if tls is None else tls
    number = server.port(port)
    if wanted == "implicit":
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, number, "client.test", timeout=_TIMEOUT, context=trusting()
        )
    else:
        client = smtplib.SMTP(server.host, number, "client.test", timeout=_TIMEOUT)
    try:
        client.ehlo()
        if wanted == "starttls":
            client.starttls(context=trusting())
            client.ehlo()
        yield client
    finally:
        client.close()


def authenticate(client: smtplib.SMTP, login: Login) -> Answer:
    """AUTH PLAIN, also where it is not offered."""
    token = b64encode(f"\0{login.address}\0{login.password}".encode()).decode()
    return _answer("auth", client.docmd("AUTH", f"PLAIN {token}"))


def capabilities(server: Server, port: int) -> tuple[set[str], set[str]]:
    """What EHLO offers before TLS and after it, in upper case."""
    with smtp_session(server, port, tls="none") as client:
        before = {name.upper() for name in client.esmtp_features}
        client.starttls(context=trusting())
        client.ehlo()
        return before, {name.upper() for name in client.esmtp_features}


def deliver(
    server: Server,
    message: bytes,
    recipients: str | Sequence[str],
    *,
    sender: str = "someone@outside.test",
    port: int = 25,
    login: Login | None = None,
    size: bool = True,
) -> Answer:
    """Sends; returns the first refusal, or the answer to the message. ``size``: declare it, if that is offered."""
    with smtp_session(server, port) as client:
        if login is not None and (answer := authenticate(client, login)).code != 235:
            return answer
        options = [f"SIZE={len(message)}"] if size and client.has_extn("size") else []
        answer = _answer("mail", client.mail(sender, options))
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            if answer.code == 250:
                answer = _answer("rcpt", client.rcpt(recipient))
        if answer.code != 250:
            return answer
        try:
            return _answer("data", client.data(message))
        except smtplib.SMTPDataError as exc:
            return _answer("data", (exc.smtp_code, exc.smtp_error))


def _answer(stage: str, reply: tuple[int, bytes | str]) -> Answer:
    code, text = reply
    return Answer(stage, code, text.decode(errors="replace") if isinstance(text, bytes) else text)


def mail(
    subject: str,
    *,
    sender: str = "someone@outside.test",
    to: str = "somebody@example.test",
    body: str = "Hello,\n\nthis is an ordinary message.\n",
    headers: Sequence[tuple[str, str]] = (),
) -> bytes:
    """An ordinary message."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = email.utils.formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain="client.test")
    for name, value in headers:
        message[name] = value
    message.set_content(body)
    return message.as_bytes()


# --- IMAP --------------------------------------------------------------------------------------------------
@contextmanager
def imap_session(server: Server, login: Login) -> Iterator[imaplib.IMAP4_SSL]:
    """A logged-in session over 993.

    Raises:
        imaplib.IMAP4.error: the login is refused.
    """
    client = imaplib.IMAP4_SSL(server.host, server.port(993), ssl_context=trusting(), timeout=_TIMEOUT)
    try:
        client.login(login.address, login.password)
        yield client
    finally:
        client.shutdown()


def imap_login(server: Server, login: Login) -> bool:
    """Whether the login succeeds."""
    try:
        with imap_session(server, login):
            return True
    except imaplib.IMAP4.error:
        return False


def smtp_login(server: Server, login: Login, port: int = 587) -> Answer:
    """The answer to its AUTH; code 0 when the server hangs up, as Postfix does while nobody answers it."""
    try:
        with smtp_session(server, port) as client:
            return authenticate(client, login)
    except smtplib.SMTPServerDisconnected as exc:
        return Answer("connect", 0, str(exc))


def raw_messages(server: Server, login: Login, folder: str = "INBOX") -> list[bytes]:
    """Every message of a folder, as it is stored; none when there is no such folder."""
    with imap_session(server, login) as client:
        status, _ = client.select(f'"{folder}"', readonly=True)
        if status != "OK":
            return []
        _, found = client.search(None, "ALL")
        numbers = found[0].split()
        return [client.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1] for number in numbers]  # type: ignore[index,misc]


def messages(server: Server, login: Login, folder: str = "INBOX") -> list[EmailMessage]:
    """The same, parsed."""
    return [parsed(raw) for raw in raw_messages(server, login, folder)]


def parsed(raw: bytes) -> EmailMessage:
    """The message."""
    return BytesParser(EmailMessage, policy=email.policy.default).parsebytes(raw)


def wait_for_raw(
    server: Server, login: Login, subject: str, *, folder: str = "INBOX", within: float = 10.0
) -> bytes:
    """The message of that subject, as soon as it is there, as it is stored.

    Raises:
        AssertionError: it did not come in time.
    """
    deadline, pause = time.monotonic() + within, 0.1
    while True:
        found = [raw for raw in raw_messages(server, login, folder) if parsed(raw)["Subject"] == subject]
        if found:
            return found[0]
        assert time.monotonic() < deadline, f"{subject!r} did not reach {folder} of {login.address}"
        time.sleep(pause)
        pause = min(pause * 1.2, 0.5)  # each look is a login, and each login a hash


def wait_for_message(
    server: Server, login: Login, subject: str, *, folder: str = "INBOX", within: float = 10.0
) -> EmailMessage:
    """The same, parsed.

    Raises:
        AssertionError: it did not come in time.
    """
    return parsed(wait_for_raw(server, login, subject, folder=folder, within=within))


def subscribed(server: Server, login: Login) -> dict[str, set[str]]:
    """Subscribed folder → its special uses, as ``\\Junk``."""
    with imap_session(server, login) as client:
        _, lines = client._simple_command("LIST", '(SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)')
        _, listed = client._untagged_response("OK", lines, "LIST")
    folders = {}
    for line in listed:
        flags, _, rest = line.decode().lstrip("(").partition(")")
        folders[rest.split(" ")[-1].strip('"')] = {flag for flag in flags.split() if flag != "\\Subscribed"}
    return folders


# --- DKIM --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Signature:
    """A DKIM signature, judged by a public key."""

    domain: str
    selector: str
    valid: bool


def signatures(raw: bytes, public_key: str) -> list[Signature]:
    """Every DKIM signature of a message; ``public_key`` is a record's p=, and stands for any selector's."""
    asked: list[str] = []

    def record(name: bytes, timeout: float = 5) -> bytes:
        asked.append(name.decode().rstrip("."))
        return f"v=DKIM1; k=rsa; p={public_key}".encode()

    found = []
    for index, _ in enumerate(parsed(raw).get_all("DKIM-Signature") or ()):
        try:
            valid = bool(dkim.DKIM(raw).verify(idx=index, dnsfunc=record))
        except dkim.DKIMException:
            valid = False
        selector, _, domain = asked[-1].partition("._domainkey.") if asked else ("", "", "")
        found.append(Signature(domain, selector, valid))
    return found
