"""SMTP as bytes: commands, lists of extensions, dot-stuffing, and what a broken connection means. Pure."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from mailrelay.mail.addresses import QUOTED_LOCAL

_CONTROL_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LEADING_DOT = re.compile(rb"(?m)^\.")
_PATH = re.compile(rf'(?:{QUOTED_LOCAL}(?=@))?[^\x00-\x20\x7f-\xa0<>"\u2028\u2029\ud800-\udfff]*')
_ANSWER = re.compile(rb"([2-5][0-9][0-9])(?![0-9])(?:[ -](.*))?", re.DOTALL)
_RCPTMAX = re.compile(r"(?:^|\s)RCPTMAX=([0-9]{1,6})(?=\s|$)", re.IGNORECASE)
_STATUS = re.compile(r"^\s*[245]\.[0-9]{1,3}\.[0-9]{1,3}\b")
_TOO_MANY = re.compile(
    r"^\s*[45]\.5\.3\b|too many (?:\w+ )?(?:recipients?|rcpts?|addressees|destinations|rcpt to)|"
    r"recipients? (?:count|limit)|(?:recipients?|rcpt)\b.{0,40}\bexceed|"
    r"(?:exceed|limit|max(?:imum)?|more than|at most)\b.{0,40}\b(?:recipients?|rcpt)",
    re.IGNORECASE,
)
_RATE = re.compile(
    r"\bper[ -](?:\w+[ -])?(?:second|minute|hour|day|month)|\brate\b|daily|hourly|quota|^\s*[45]\.7\.|"
    r"in (?:the last|a) |this (?:hour|day)|too fast|today",
    re.IGNORECASE,
)
_SPACE = re.compile(r"storage|space|mailbox|quota|size|large|big|resources|memory|disk", re.IGNORECASE)
# Not part of a status, an address or a longer word.
_NUMBER = re.compile(r"(?<![\w.\[@-])([0-9]{1,3})(?![\w.@\]-]*[\w@])")
#: Bytes of a line (RFC 5321 §4.5.3.1.5 allows 512), and lines of an answer, that no server has reason to exceed.
_LONGEST_LINE, _MOST_LINES = 8192, 1000
# A longer number is not a size (and int() refuses thousands of digits).
_SIZE = re.compile(r"[0-9]{1,18}")


class Reply(NamedTuple):
    """A server's answer (RFC 5321 §4.2): its three-digit code, or 0 if that is not one of SMTP; and its text, with
    ``\n`` between lines."""

    code: int
    text: str

    @property
    def good(self) -> bool:
        """Whether the server went along with the command: a 2xx or 3xx code."""
        return 200 <= self.code < 400


def dot_stuff(data: bytes) -> bytes:
    """Double the dot at the start of a line (RFC 5321 §4.5.2)."""
    return _LEADING_DOT.sub(b"..", data) if b"\n." in data or data.startswith(b".") else data


def printable(answer: bytes) -> str:
    """A server's answer as text. Control characters become U+FFFD: PostgreSQL takes no NUL, a page no escape code."""
    return _CONTROL_TEXT.sub("\ufffd", answer.decode("utf-8", "replace"))


def is_answer(line: bytes) -> bool:
    """Whether the line begins with a code of SMTP (RFC 5321 §4.2.1). Another number is neither a yes nor a no: it may
    be half a code that was cut off, with the next answer behind it."""
    return _ANSWER.match(line) is not None


def answer(lines: Sequence[bytes]) -> Reply:
    """An answer that need not be whole."""
    matches = [_ANSWER.match(line) for line in lines if line]
    first = matches[0] if matches else None
    if first is None:
        return Reply(0, printable(b"\n".join(lines)).strip())
    texts = [(match and match[2]) or b"" for match in matches]
    return Reply(int(first[1]), printable(b"\n".join(text.strip() for text in texts)))


class Answers:
    """What a server says, cut into answers (RFC 5321 §4.2).

    Attributes:
        lines: those of the answer under way, as far as they are here.
        rest: what came after them, and is no whole line yet.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.rest = b""
        self._whole = False

    def add(self, data: bytes) -> None:
        """Add what came; nothing means that the server has closed the connection.

        Raises:
            ConnectionError: it has, in the middle of an answer.
        """
        if data:
            self.rest += data
        elif self.rest:
            self.rest += b"\n"  # what was cut off may still say yes or no
        else:
            raise ConnectionResetError("closed")

    def next(self) -> Reply | None:
        """The next answer, or None until it is here.

        Raises:
            ConnectionError: it is longer than any answer may be.
        """
        if self._whole:
            self.lines, self._whole = [], False
        while True:
            line, end, rest = self.rest.partition(b"\n")
            if not end and len(line) <= _LONGEST_LINE:
                return None
            self.lines.append(line)
            self.rest = rest
            if len(line) > _LONGEST_LINE or len(self.lines) > _MOST_LINES:
                raise ConnectionAbortedError("an answer without end")
            if line[3:4] != b"-" or not line[:3].isdigit():
                self._whole = True
                return _single(line) if len(self.lines) == 1 else _whole(self.lines)


@lru_cache(maxsize=128)
def _single(line: bytes) -> Reply:
    """An answer of one line; three of the four to a message are always the same."""
    return _whole([line])


def _whole(lines: Sequence[bytes]) -> Reply:
    last = _ANSWER.match(lines[-1])
    if last is None:
        return Reply(0, answer(lines).text)
    return Reply(int(last[1]), printable(b"\n".join([line[4:].strip() for line in lines])))


def features(text: str) -> dict[str, str]:
    """The extensions that an EHLO answer offers: keyword in lower case → parameters.

    ``text`` is the whole answer without its codes; its first line is the greeting.
    """
    extensions: dict[str, str] = {}
    for line in text.split("\n")[1:]:
        keyword, _, parameters = " ".join(line.split()).partition(" ")
        if keyword.upper().startswith("AUTH="):  # old servers; the keyword form counts
            keyword, parameters = "AUTH", f"{keyword[5:]} {parameters}".strip()
        name = keyword.lower()
        if name == "auth" and name in extensions:
            parameters = f"{extensions[name]} {parameters}".strip()
        if name == "size" and not _SIZE.fullmatch(parameters):
            parameters = ""
        if name:
            extensions[name] = parameters
    return extensions


def safe_path(address: str) -> bool:
    """Whether an address can stand between the ``<`` and ``>`` of a command without ending it early.

    It has no line break, no angle bracket, and a space only in a quoted local part. The empty (null) sender is safe.
    """
    return _PATH.fullmatch(address) is not None


def mail_command(
    sender: str, size: int, offered: dict[str, str], *, utf8: bool = False, eight_bit: bool = False
) -> bytes:
    """MAIL FROM with the parameters for which the server ``offered`` the extension.

    Args:
        utf8: an address or the header is in UTF-8 (RFC 6531).
        eight_bit: the mail has octets beyond ASCII (RFC 6152).

    Raises:
        ValueError: the sender would end the command early.
    """
    line = f"MAIL FROM:<{_path(sender)}>"
    if "size" in offered:
        line += f" SIZE={size}"
    if eight_bit and "8bitmime" in offered:
        line += " BODY=8BITMIME"
    if utf8:
        line += " SMTPUTF8"
    return line.encode() + b"\r\n"


def rcpt_command(recipient: str) -> bytes:
    """RCPT TO for one recipient.

    Raises:
        ValueError: the recipient would end the command early, or is empty.
    """
    if not recipient:
        raise ValueError("a recipient is empty")
    return f"RCPT TO:<{_path(recipient)}>\r\n".encode()


def too_many(code: int, text: str, *, rcpt: bool = False) -> bool:
    """Whether a refusal means that the mail has too many recipients, so that a part of them would do.

    Servers say so with x.5.3 (RFC 3463 §3.6), in words under any code, or, in answer to RCPT (``rcpt``), with a bare
    452 or 552 (RFC 5321 §4.5.3.1.10). A limit for an hour or a day is another thing.
    """
    if code < 400 or _RATE.search(text):
        return False
    bare = rcpt and code in (452, 552) and not _STATUS.search(text) and not _SPACE.search(text)
    return bare or bool(_TOO_MANY.search(text))


def most_recipients(text: str, count: int) -> int:
    """How many of ``count`` recipients to send to at once after such a refusal: what it names, else half of them."""
    named = [int(number) for number in _NUMBER.findall(text)]
    return max((number for number in named if 0 < number < count), default=max(1, count // 2))


def recipient_limit(parameters: str) -> int:
    """RCPTMAX among the parameters of LIMITS (RFC 9422 §4.2), or 0."""
    found = _RCPTMAX.search(parameters)
    return int(found[1]) if found else 0


def _path(address: str) -> str:
    if not safe_path(address):
        raise ValueError(f"{address[:60]!r} cannot be used in an SMTP command")
    return address


def lost(exc: Exception, host: str, port: int, *, connecting: bool, greeting: bool) -> tuple[str, str]:
    """Kind (see ``diagnosis.explain``) and sentence for a connection that could not be made, or broke."""
    where = f"{host} port {port}"
    number = getattr(exc, "errno", None)
    if isinstance(exc, TimeoutError):
        if connecting:
            return "timeout_connect", f"{where} did not answer in time."
        if greeting:
            return "timeout_greeting", f"{where} accepted the connection but never sent its greeting."
        return "timeout", f"{where} stopped answering."
    if number == errno.ECONNREFUSED:
        return "refused", f"Nothing listens at {where}: the connection was refused."
    if number in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "unreachable", f"There is no route to {where}."
    if connecting:
        reason = getattr(exc, "strerror", None)
        return "unreachable", f"{where} cannot be reached{f': {reason}' if reason else ''}."
    return "closed", f"{where} closed the connection" + (" before greeting." if greeting else ".")
