"""The client side of SMTP AUTH (RFC 4954): PLAIN, LOGIN and CRAM-MD5. Pure.

The standard library's own code refuses passwords beyond ASCII; RFC 4616 asks for UTF-8.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterator

# A shorter password would mask every other word of a dialogue.
_SHORTEST_TRACE = 4
_PREFERRED = ("PLAIN", "LOGIN", "CRAM-MD5")
#: What is not known, not understood, unknown, too weak, or for encrypted connections only (RFC 4954 §4, §6).
_MECHANISM_CODES = (500, 501, 502, 504, 534, 538)
_MECHANISM = r"(?:mechanisms?|auth\w* (?:type|method|scheme)s?)"
_NO = r"(?:no|invalid|unknown|un\w*(?:supported|recogni[sz]ed|available)|disabled)"
_MECHANISM_REFUSED = re.compile(
    rf"{_NO} (?:sasl )?(?:auth\w* )?{_MECHANISM}|"
    rf"{_MECHANISM}\b.*(?:\bnot\b|too weak|un(?:known|supported|available|implemented|recogni[sz]ed)|disabled)",
    re.IGNORECASE,
)
_LOGIN_REFUSED = re.compile(
    r"passwor[dt]|credential|user ?name|log-?\s?in\b|sign-?\s?in|account|invalid user|denied|"
    r"auth\w* (?:failed|failure|unsuccessful|rejected|error)|(?:failed|bad|unsuccessful) auth",
    re.IGNORECASE,
)


def common(offered: str) -> list[str]:
    """The mechanisms that we know and the server ``offered`` (the parameters of AUTH), in the order to try them."""
    names = offered.upper().split()
    return [name for name in _PREFERRED if name in names]


def judges_mechanism(code: int, text: str) -> bool:
    """Whether a refusal of AUTH is about the mechanism, so that the password was not checked.

    Then another mechanism may do (RFC 4954 §4, §6); after any other refusal, a second try is a second failed login. The
    words count before the code: Google answers 534 when it wants an app password, and Postfix 535 to "Invalid
    authentication mechanism".
    """
    if code >= 500 and _MECHANISM_REFUSED.search(text):
        return True
    if code == 432:
        return "transition" in text.lower()  # RFC 4954 §6: to PLAIN, once
    return code in _MECHANISM_CODES and not _LOGIN_REFUSED.search(text)


def lines(mechanism: str, username: str, password: str, challenge: Callable[[], str]) -> Iterator[bytes]:
    """The client's lines, to be sent one at a time.

    ``challenge`` returns the server's latest answer (base64); it is called after the line before was answered.
    """
    if mechanism == "PLAIN":
        yield b"AUTH PLAIN " + _b64(f"\0{username}\0{password}".encode()) + b"\r\n"
        return
    yield f"AUTH {mechanism}\r\n".encode()
    if mechanism == "LOGIN":
        yield _b64(username.encode()) + b"\r\n"
        yield _b64(password.encode()) + b"\r\n"
        return
    try:
        nonce = base64.b64decode(challenge(), validate=True)
    except ValueError:
        yield b"*\r\n"  # RFC 4954 §4: the client gives up; the server then answers 501
        return
    proof = hmac.new(password.encode(), nonce, "md5").hexdigest()
    yield _b64(f"{username} {proof}".encode()) + b"\r\n"


def traces(username: str, password: str) -> list[str]:
    """Every form of the password that a dialogue may show, longest first because one may contain another."""
    if not password:
        return []
    plain = (f"\0{username}\0{password}", f"{username}\0{username}\0{password}", password)
    encoded = [_b64(form.encode()).decode().rstrip("=") for form in plain]
    forms = [form for form in (*encoded, password) if len(form) >= _SHORTEST_TRACE]
    return sorted(dict.fromkeys(forms), key=len, reverse=True)


def _b64(value: bytes) -> bytes:
    return base64.b64encode(value)
