"""Answers, in the API's error format, requests that the web server refuses before the application sees them.

All of these answers are JSON, because the server often cannot tell whether a request was for the API: it may be the
address that it could not read.
"""

from __future__ import annotations

import json

from waitress.task import ErrorTask
from waitress.utilities import Error

#: HTTP status → code and sentence.
_REFUSALS = {
    400: ("bad_request", "The request is malformed."),
    413: ("too_large", "The request body is too large."),
    414: ("uri_too_long", "The URL is too long. Send long values in the body."),
    431: ("headers_too_large", "The headers are too large."),
    501: ("bad_request", "The server does not support what the Transfer-Encoding header asks for."),
}
_FAILED = ("internal_error", "Something went wrong on this node. Its log has the details.")


class UriTooLong(Error):  # type: ignore[misc]  # untyped
    """The address has more bytes than the server reads."""

    code = 414
    reason = "URI Too Long"


class Refusal(ErrorTask):  # type: ignore[misc]  # untyped
    """Writes the answer, in waitress's place; the connection ends with it."""

    def execute(self) -> None:
        """Write the refusal as JSON in the API's shape, and close."""
        error = self.request.error
        code, sentence = _REFUSALS.get(error.code, _FAILED)
        body = json.dumps({"error": code, "message": sentence}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)
