"""What the web server refuses by itself, before the application sees it, in the shape of the API's errors.

gunicorn answers with HTML, and has no setting for it; whether the request was for the API it often cannot tell, because
it is the address that it could not read. So all of these answers are JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gunicorn import util  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import socket

#: HTTP status → code and sentence.
_REFUSALS = {
    400: ("bad_request", "The request cannot be understood."),
    403: ("permission_denied", "This is not allowed."),
    414: ("uri_too_long", "The address is too long. Send what is long in the body."),
    417: ("expectation_failed", "The server does not do what the header Expect asks for."),
    431: ("headers_too_large", "The headers are too large."),
}
_FAILED = ("internal_error", "Something went wrong on this node; its log says what.")


def write_error(sock: socket.socket, status: int, reason: str, _message: str) -> None:
    """Write the answer, in gunicorn's place."""
    util.write_nonblock(sock, answer(status, reason))


def answer(status: int, reason: str) -> bytes:
    """Return the whole answer; the connection ends with it."""
    code, sentence = _REFUSALS.get(status, _FAILED)
    body = json.dumps({"error": code, "message": sentence}).encode()
    head = (
        f"HTTP/1.1 {status} {reason}",
        "Connection: close",
        "Content-Type: application/json",
        "Cache-Control: no-store",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*head, "", "")).encode("latin-1") + body


def install() -> None:
    """Let gunicorn refuse like this in this process and its children."""
    util.write_error = write_error
