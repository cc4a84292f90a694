"""Proves the new containers with real programs: sign in by IMAP and submission, deliver a mail, verify a signature.

The programs run in Postfix's container, because the ports are not published, and Docker may be on another machine.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING

import dkim
from django.utils import timezone

from mailboxes.engine.values import PutFile
from mailboxes.mailqueue import listing
from mailboxes.push import render
from mailboxes.upgrades.candidates import OUTSIDE
from quazzar import words
from quazzar.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailboxes.engine.client import Engine
    from mailboxes.engine.spec import StackSpec
    from mailboxes.engine.values import Result
    from mailboxes.upgrades.candidates import Visitor

#: A directory of the container itself, which goes with it.
_PLACE = "/root/quazzar-upgrade"
#: curl(1), EXIT CODES: the server refused the login.
_LOGIN_DENIED = 67
#: Seconds for one program, and for a mail to arrive or to appear in the queue.
_TIMEOUT = 40.0
_ARRIVAL = 40.0
_POLL = 0.5
#: Lists the mails in the queue that name an address, of however many.
_QUEUED = 'postqueue -j | grep -F -- "$1" || [ $? = 1 ]'


class ProofFailed(StackError):
    """The new containers do not do what they must."""

    code = "proof_failed"

    def __init__(self, message: str, service: str) -> None:
        hint = (
            f"Read what is new in the image of {service.title()}, choose another version, or report it there."
        )
        super().__init__(message, hint=hint)
        self.service = service


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that was tried.

    Attributes:
        id: login, wrong_password, submission, delivery, incoming or signature.
    """

    id: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class _Tools:
    """What the proofs share: where programs run, and as whom they sign in."""

    engine: Engine
    spec: StackSpec
    visitor: Visitor

    @property
    def postfix(self) -> str:
        return self.spec.service("postfix").name

    def curl(self, *arguments: str, config: str = "login") -> Result:
        argv = ["curl", "--config", f"{_PLACE}/{config}", *arguments]
        return self.engine.run(self.postfix, argv, timeout=_TIMEOUT)

    def put(self, name: str, data: bytes) -> None:
        directory = PutFile(f"{_PLACE}/", b"", 0o700)
        self.engine.put(self.postfix, [directory, PutFile(f"{_PLACE}/{name}", data, 0o600)])

    def submit(self, to: str) -> tuple[str, Result]:
        """Sends a mail through the submission port; returns its token and what became of it."""
        token, mail = _mail(self.visitor.address, to)
        self.put("mail", mail)
        envelope = ("--mail-from", self.visitor.address, "--mail-rcpt", to)
        upload = ("--upload-file", f"{_PLACE}/mail")
        return token, self.curl("--url", "smtp://127.0.0.1:587", "--ssl-reqd", *envelope, *upload)

    def wait_for(self, token: str) -> bool:
        """Whether the mail arrives in the mailbox in time."""
        search = ("--url", "imaps://dovecot:993/INBOX", "--request", f"SEARCH SUBJECT {token}")
        return _wait(lambda: any(word.isdigit() for word in self.curl(*search).stdout.split()))


def run(engine: Engine, spec: StackSpec, visitor: Visitor) -> Iterator[Proof]:
    """Tries one thing after the other, and stops at the first that fails.

    Raises:
        ProofFailed: after the proof that failed has been yielded.
        StackError: the Engine does not answer.
    """
    tools = _Tools(engine, spec, visitor)
    tools.put("login", _config(visitor.address, visitor.password))
    tools.put("wrong", _config(visitor.address, secrets.token_urlsafe(18)))
    tools.put("stranger", _config())
    for attempt in (_login, _wrong_password, _delivery, _incoming, _signature):
        proof, service = attempt(tools)
        yield proof
        if not proof.ok:
            raise ProofFailed(proof.message, service)


def leave(engine: Engine, spec: StackSpec, visitor: Visitor) -> None:
    """Removes the mails that the proof sent and got.

    Raises:
        StackError: a container did not do it.
    """
    for mail in _queued(engine, spec, visitor):
        engine.check(spec.service("postfix").name, ["postsuper", "-d", mail.id], what="removing a mail")
    home = f"{render.MAIL_ROOT}/{visitor.home}"
    engine.check(spec.service("dovecot").name, ["rm", "-rf", "--", home], what="removing mail")


# --- what is tried -----------------------------------------------------------------------------------------
def _login(tools: _Tools) -> tuple[Proof, str]:
    result = tools.curl("--url", "imaps://dovecot:993/")
    return _judged("login", result, "Sign-in by IMAP works", "Signing in by IMAP failed"), "dovecot"


def _wrong_password(tools: _Tools) -> tuple[Proof, str]:
    result = tools.curl("--url", "imaps://dovecot:993/", config="wrong")
    if result.exit_code == _LOGIN_DENIED:
        return Proof("wrong_password", True, "A wrong password is refused."), "dovecot"
    return Proof("wrong_password", False, f"A wrong password was not refused: {_said(result)}"), "dovecot"


def _delivery(tools: _Tools) -> tuple[Proof, str]:
    token, result = tools.submit(tools.visitor.address)
    if result.exit_code:
        return _judged("delivery", result, "", "Sending through the submission port failed"), "postfix"
    if tools.wait_for(token):
        return Proof("delivery", True, "A submitted mail reached its mailbox."), "postfix"
    return Proof("delivery", False, "A submitted mail did not reach its mailbox in time."), "postfix"


def _incoming(tools: _Tools) -> tuple[Proof, str]:
    token, mail = _mail(OUTSIDE, tools.visitor.address)
    tools.put("incoming", mail)
    result = tools.curl(
        *("--url", "smtp://127.0.0.1:25", "--mail-from", OUTSIDE, "--mail-rcpt", tools.visitor.address),
        *("--upload-file", f"{_PLACE}/incoming"),
        config="stranger",
    )
    if result.exit_code:
        return _judged("incoming", result, "", "Port 25 did not accept a mail"), "postfix"
    if tools.wait_for(token):
        return Proof("incoming", True, "A mail from outside reached its mailbox."), "postfix"
    return Proof("incoming", False, "A mail from outside did not reach its mailbox in time."), "rspamd"


def _signature(tools: _Tools) -> tuple[Proof, str]:
    token, result = tools.submit(OUTSIDE)
    if result.exit_code:
        return _judged("signature", result, "", "Sending a mail to another server failed"), "rspamd"
    found: list[bytes] = []

    def is_queued() -> bool:
        for mail in _queued(tools.engine, tools.spec, tools.visitor):
            if any(recipient.address == OUTSIDE for recipient in mail.recipients):
                found.append(tools.engine.run(tools.postfix, ["postcat", "-hbq", mail.id]).stdout)
        return any(token.encode() in raw for raw in found)

    if not _wait(is_queued):
        return Proof("signature", False, "A mail to another server is not in Postfix's queue."), "postfix"
    raw = next(raw for raw in found if token.encode() in raw)
    if _is_signed(raw, tools.visitor):
        text = f"An outgoing mail carries a valid DKIM signature of {tools.visitor.domain}."
        return Proof("signature", True, text), "rspamd"
    text = f"An outgoing mail carries no valid DKIM signature of {tools.visitor.domain}."
    return Proof("signature", False, text), "rspamd"


def _is_signed(raw: bytes, visitor: Visitor) -> bool:
    """Whether one of the signatures (RFC 6376) is the domain's, and verifies with its published key."""
    mail = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    suffix = f"._domainkey.{visitor.domain}"

    def record(name: bytes, timeout: float = 5) -> bytes:
        ours = name.decode(errors="replace").rstrip(".").endswith(suffix)
        return f"v=DKIM1; k=rsa; p={visitor.public_key}".encode() if ours else b""

    for index in range(mail.lower().count(b"\r\ndkim-signature:") + 1):
        try:
            if dkim.DKIM(mail).verify(idx=index, dnsfunc=record):
                return True
        except (dkim.DKIMException, IndexError):
            continue
    return False


# --- parts -------------------------------------------------------------------------------------------------
def _config(address: str = "", password: str = "") -> bytes:
    """Options for curl(1). The password is in a file: everybody who may list processes reads a command line."""
    login = f'user = "{address}:{password}"\n' if address else ""
    return f"{login}insecure\nsilent\nshow-error\nmax-time = 20\n".encode()


def _mail(sender: str, to: str) -> tuple[str, bytes]:
    """A token that is in no other mail, and an ordinary mail with it in its subject."""
    token = f"upgrade{secrets.token_hex(8)}"
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, to, token
    mail["Date"] = format_datetime(timezone.now())
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    mail.set_content("This mail proves that mail works after an upgrade of the mail server.\n")
    return token, mail.as_bytes()


def _queued(engine: Engine, spec: StackSpec, visitor: Visitor) -> list[listing.Waiting]:
    argv = ["bash", "-c", _QUEUED, "queued", visitor.address]
    result = engine.check(spec.service("postfix").name, argv, what="listing the queue")
    mails, _ = listing.read(result.stdout.decode(errors="replace"))
    return [mail for mail in mails if mail.sender == visitor.address]


def _judged(name: str, result: Result, fine: str, failure: str) -> Proof:
    return (
        Proof(name, True, f"{fine}.")
        if not result.exit_code
        else Proof(name, False, f"{failure}: {_said(result)}")
    )


def _said(result: Result) -> str:
    text = words.one_line(result.stderr.decode(errors="replace"), 200).rstrip(".")
    return f"{text or f'curl ended with {result.exit_code}'}."


def _wait(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _ARRIVAL
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True
