"""What a scripted SMTP server answers, and what it records: replies, sessions, envelopes."""

import math
import re
import time
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from tests.rig.ca import Certificate

CRLF = b"\r\n"
# The extension of a MAIL parameter that has another name.
PARAMETERS = {"BODY": "8BITMIME", "RET": "DSN", "ENVID": "DSN"}


@dataclass(frozen=True)
class Reply:
    """What the server does: wait, say `text` (its lines joined by \\n; bytes go out as they are), go on."""

    text: str | bytes
    delay: float = 0
    pace: float = 0  # seconds between one byte and the next
    close: bool = False  # hang up afterwards
    reset: bool = False  # hang up with a TCP reset, so that the client may lose what was said

    @property
    def code(self) -> int:
        """The reply code, or 0 for anything that is not a reply."""
        match = re.match(r"[2-5]\d\d", self.text) if isinstance(self.text, str) else None
        return int(match[0]) if match else 0

    @property
    def wire(self) -> bytes:
        if isinstance(self.text, bytes):
            return self.text
        return b"".join(line.encode() + CRLF for line in self.text.split("\n"))


Answer = str | Reply
# A list is used up answer by answer, over all sessions; None, and the end of it, mean the ordinary answer.
Answers = Answer | list[Answer | None]

HANG_UP = Reply(b"", close=True)
RESET = Reply(b"", reset=True)
SILENCE = Reply(b"", delay=math.inf)


def lines(code: int, *texts: str) -> str:
    """A reply of several lines."""
    return "\n".join([*(f"{code}-{text}" for text in texts[:-1]), f"{code} {texts[-1]}"])


@dataclass
class Envelope:
    """One message: `wire` as it came, `content` without the dots of RFC 5321; `accepted` if told 250."""

    sender: str
    recipients: list[str]
    refused: list[str]
    parameters: str
    content: bytes = b""
    wire: bytes = b""
    accepted: bool = False
    at: float = field(default_factory=time.monotonic)

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"] or "").strip()


@dataclass
class Session:
    """One connection: what the client said on it and how far it got.

    `early` holds what came after a command that must be the last of its flight, before its reply.
    """

    commands: list[str] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    early: list[tuple[str, bytes]] = field(default_factory=list)
    max_in_flight: int = 0
    encrypted: bool = False
    tls_error: str = ""
    user: str | None = None
    draft: Envelope | None = None
    ended: bool = False


@dataclass
class Script:
    """What the server answers. Set fields for single faults; override an `on_…` method for the rest.

    `commands` answers a verb in place of the ordinary reply ("EHLO", "AUTH", "MAIL", "DATA", …; "." is
    the end of the content), `senders` and `recipients` answer single addresses. With `users` AUTH is
    offered and demanded, with `certificate` STARTTLS is offered and AUTH comes only after it.
    """

    greeting: Answer = "220 fault.test ESMTP"
    commands: dict[str, Answers] = field(default_factory=dict)
    senders: dict[str, Answers] = field(default_factory=dict)
    recipients: dict[str, Answers] = field(default_factory=dict)
    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
    users: dict[str, str] = field(default_factory=dict)
    mechanisms: str = "PLAIN LOGIN"
    certificate: Certificate | None = None
    implicit_tls: bool = False
    helo_only: bool = False
    size_limit: int = 0
    data_without_recipient: bool = False  # 354 although every recipient was refused
    after_messages: tuple[int, Answer] | None = None  # from then on the answer to MAIL
    latency: float = 0  # before every reply

    def capabilities(self, session: Session) -> list[str]:
        offered = list(self.extensions)
        if self.size_limit:
            offered.append(f"SIZE {self.size_limit}")
        if self.certificate is not None and not session.encrypted:
            offered.append("STARTTLS")
        elif self.users:
            offered.append(f"AUTH {self.mechanisms}")
        return offered

    def on_ehlo(self, session: Session, argument: str) -> Answer:
        if self.helo_only:
            return "502 5.5.1 Command not implemented"
        return lines(250, "fault.test", *self.capabilities(session))

    def on_helo(self, session: Session, argument: str) -> Answer:
        return "250 fault.test"

    def on_starttls(self, session: Session, argument: str) -> Answer:
        return "220 2.0.0 Ready" if self.certificate is not None else "502 5.5.1 Command not implemented"

    def on_auth(self, session: Session, username: str, password: str) -> Answer:
        if self.users.get(username) == password:
            return "235 2.7.0 Authentication successful"
        return "535 5.7.8 Username and password not accepted"

    def on_mail(self, session: Session, address: str, parameters: str) -> Answer:
        if self.after_messages is not None and len(session.envelopes) >= self.after_messages[0]:
            return self.after_messages[1]
        if self.users and session.user is None:
            return "530 5.7.0 Authentication required"
        return (
            self._objection(parameters)
            or _not_ascii(address, parameters)
            or take(self.senders.get(address))
            or "250 2.1.0 Ok"
        )

    def _objection(self, parameters: str) -> Answer | None:
        for word in parameters.upper().split():
            name, _, value = word.partition("=")
            if PARAMETERS.get(name, name) not in (*self.extensions, "SIZE"):
                return f"555 5.5.4 {name} not supported"
            if name == "SIZE" and 0 < self.size_limit < int(value):
                return "552 5.3.4 Message size exceeds fixed limit"
        return None

    def on_rcpt(self, session: Session, address: str) -> Answer:
        if session.draft is None:
            return "503 5.5.1 Need MAIL first"
        refused = _not_ascii(address, session.draft.parameters)
        return refused or take(self.recipients.get(address)) or "250 2.1.5 Ok"

    def on_data(self, session: Session) -> Answer:
        draft = session.draft
        if draft is None or not (draft.recipients or self.data_without_recipient):
            return "554 5.5.1 No valid recipients"
        return "354 End data with <CR><LF>.<CR><LF>"

    def on_content(self, session: Session, envelope: Envelope) -> Answer:
        if 0 < self.size_limit < len(envelope.content):
            return "552 5.3.4 Message size exceeds fixed limit"
        return "250 2.0.0 Ok" if envelope.recipients else "554 5.5.1 No valid recipients"


def take(answers: Answers | None) -> Answer | None:
    """The next answer of what a script holds for one thing."""
    if isinstance(answers, list):
        return answers.pop(0) if answers else None
    return answers


def _not_ascii(address: str, parameters: str) -> Answer | None:
    if address.isascii() or "SMTPUTF8" in parameters.upper():
        return None
    return "553 5.6.7 Address needs SMTPUTF8"
