"""Mails as programs write them, of which strict servers refuse each as it is."""

from __future__ import annotations

_UMLAUT = "Grüße aus Zürich\n"
_MULTIPART = """\
To: a@inbox.test
Subject: Teile
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="B"

--B
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Grüße
--B
Content-Type: message/rfc822

From: Jörg <j@example.com>
Subject: Größe

Straße
--B
Content-Type: application/octet-stream; name="größe.bin"
Content-Transfer-Encoding: binary

\x00\x01\x02
--B--
"""

MAILS: dict[str, bytes] = {
    "a long line": b"To: a@inbox.test\nSubject: X1\n\n" + b"x" * 1500 + b"\n",
    "a subject in UTF-8": "To: a@inbox.test\nSubject: Y1 Prüfung\n\nplain\n".encode(),
    "a subject in Latin-1": "To: a@inbox.test\nSubject: Y1 Prüfung\n\nplain\n".encode("latin-1"),
    "an environment in the header": "To: a@inbox.test\nX-Cron-Env: <ORT=Zürich>\n\nplain\n".encode(),
    "a name in UTF-8": "To: Jörg <a@inbox.test>\nFrom: Käthe <k@example.com>\n\nplain\n".encode(),
    "a text that says its charset": (
        "To: a@inbox.test\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
        f"Content-Transfer-Encoding: 8bit\n\n{_UMLAUT}"
    ).encode(),
    "a text that says nothing": f"To: a@inbox.test\n\n{_UMLAUT}".encode(),
    "a text that says 7bit": f"To: a@inbox.test\nContent-Transfer-Encoding: 7bit\n\n{_UMLAUT}".encode(),
    "NUL": b"To: a@inbox.test\nSubject: N1\n\nbin:\x00\x01x\n",
    "carriage returns": b"To: a@inbox.test\nSubject: N1\n\n10 %\r20 %\rdone\r\n",
    "parts": _MULTIPART.encode(),
    "a long subject": b"To: a@inbox.test\nSubject: " + b"x" * 3000 + b"\n\nplain\n",
    "many addresses in a line": (
        b"To: a@inbox.test\nCc: "
        + b",".join(b"box%d@example.com" % number for number in range(300))
        + b"\n\nx\n"
    ),
    "long references": (
        b"To: a@inbox.test\nReferences: "
        + b"".join(b"<%d@example.com>" % number for number in range(300))
        + b"\n\nx\n"
    ),
    "a link with letters beyond ASCII": "To: a@inbox.test\nList-Unsubscribe: <https://x.test/ä>\n\nx\n".encode(),
    "base64 in one line": (
        b"To: a@inbox.test\nMIME-Version: 1.0\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n"
        + b"QUJD" * 500
        + b"\n"
    ),
    "blank lines inside a field": b"To: a@inbox.test,\n \n b@inbox.test\nSubject: x\n \n\nx\n",
}
