"""SMTP as bytes: commands, feature lists, dot-stuffing, and what a broken connection means. Pure."""

from __future__ import annotations

import errno
import re

_EOL = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"(?m)^\.")
_LONE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def crlf(data: bytes) -> bytes:
    """The same lines, each ended by CRLF. Bare CR and LF count as line ends too, so that nothing in a mail can
    end it early at a server that is lax about them (SMTP smuggling, CVE-2023-51764)."""
    return _EOL.sub(b"\r\n", data) if _LONE.search(data) else data


def dot_stuff(data: bytes) -> bytes:
    """A dot more where a line begins with one (RFC 5321 §4.5.2)."""
    return _LEADING_DOT.sub(b"..", data) if b"\n." in data or data.startswith(b".") else data


def features(text: str) -> dict[str, str]:
    """The extensions of an EHLO answer: lower-case keyword → parameters. The first line is the greeting."""
    found: dict[str, str] = {}
    for line in text.splitlines()[1:]:
        keyword, _, parameters = line.strip().partition(" ")
        if keyword.upper().startswith("AUTH="):  # old servers; the keyword form counts
            keyword, parameters = "AUTH", f"{keyword[5:]} {parameters}"
        name = keyword.lower()
        found[name] = f"{found[name]} {parameters}".strip() if name == "auth" and name in found else parameters
    return found


def mail_command(sender: str, size: int, offered: dict[str, str], *, utf8: bool) -> bytes:
    """MAIL FROM with the parameters that the server understands."""
    line = f"MAIL FROM:<{sender}>"
    if "size" in offered:
        line += f" SIZE={size}"
    if "8bitmime" in offered:
        line += " BODY=8BITMIME"
    if utf8:
        line += " SMTPUTF8"
    return line.encode() + b"\r\n"


def rcpt_command(recipient: str) -> bytes:
    """RCPT TO."""
    return f"RCPT TO:<{recipient}>\r\n".encode()


def lost(exc: Exception, host: str, port: int, *, connecting: bool, greeting: bool) -> tuple[str, str]:
    """Kind and sentence of a connection that could not be made, or broke."""
    where = f"{host} port {port}"
    number = getattr(exc, "errno", None)
    if isinstance(exc, TimeoutError):
        if connecting:
            return "timeout_connect", f"{where} did not answer in time."
        if greeting:
            return "timeout_greeting", f"{where} took the connection, but its greeting never came."
        return "timeout", f"{where} stopped answering."
    if number == errno.ECONNREFUSED:
        return "refused", f"Nothing listens at {where}: the connection was refused."
    if number in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "unreachable", f"There is no route to {where}."
    if connecting:
        return "unreachable", f"{where} cannot be reached: {exc}."
    return "closed", f"{where} closed the connection" + (" before greeting." if greeting else ".")
