"""Hands a mail to the running mail server on its submission port, signed in as one of its mailboxes.

curl(1) does it inside Postfix's container, because the ports may be published on another machine, and behind address
translation. Password and mail go through its input: a command line and a file can be read by others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailboxes.mailqueue import watch
from quazzar import words
from quazzar.errors import NotRunning, NotThere, StackError

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine
    from mailboxes.engine.values import Result

_TIMEOUT = 60.0
#: curl(1), EXIT CODES: the server refused the login.
_LOGIN_DENIED = 67
#: The lengths come as arguments, because the input is never closed. It is read at once: head(1) may read too far.
_SCRIPT = """
export LC_ALL=C
all=$(head -c "$2"; printf x)
config=${all:0:$1}
mail=${all:$1}
curl --config <(printf %s "$config") --upload-file <(printf %s "${mail%x}")
"""
_ANSWER = re.compile(r"^< ([45]\d\d[ -].*)$", re.MULTILINE)


class NotAccepted(StackError):
    """The mail server did not take the mail."""

    code = "not_accepted"
    status = 502


@dataclass(frozen=True, slots=True)
class Login:
    """A mailbox of the mail server."""

    address: str
    password: str = field(repr=False)


def submit(engine: Engine, login: Login, *, sender: str, recipient: str, mail: bytes) -> None:
    """Hand over one mail.

    Raises:
        NotAccepted: the mail server refused it; the message has its words.
        StackError: the Docker Engine did not answer.
    """
    config = _config(login, sender, recipient).encode()
    argv = ["bash", "-c", _SCRIPT, "submit", str(len(config)), str(len(config) + len(mail))]
    try:
        result = engine.run(watch.container(), argv, stdin=config + mail, timeout=_TIMEOUT)
    except (NotThere, NotRunning) as exc:
        raise NotAccepted("The mail server is not running.", hint="Look at the Server page.") from exc
    if result.exit_code:
        raise _refused(result)


def _config(login: Login, sender: str, recipient: str) -> str:
    """Options for curl(1), one a line."""
    options = {
        "url": "smtp://127.0.0.1:587",
        "user": f"{login.address}:{login.password}",
        "mail-from": sender,
        "mail-rcpt": recipient,
    }
    lines = [f'{name} = "{_escaped(value)}"' for name, value in options.items()]
    # The certificate is for the public name, and this is the loopback of the container.
    return "\n".join([*lines, "ssl-reqd", "insecure", "silent", "show-error", "verbose", "max-time = 50", ""])


def _escaped(text: str) -> str:
    return (
        text.replace("\\", "\\\\")
        .replace('"', '\\"')
        .replace("\n", "\\n")
        .replace("\r", "\\r")
        .replace("\t", "\\t")
    )


def _refused(result: Result) -> NotAccepted:
    """Only answers of the server are told: what was sent to it has the password in it."""
    said = result.stderr.decode(errors="replace").replace("\r", "")
    answers = _ANSWER.findall(said)
    if result.exit_code == _LOGIN_DENIED:
        return NotAccepted(
            "The mail server refused the sign-in.",
            hint="Enter the password of the inbox again, under Returned mail.",
        )
    if answers:
        return NotAccepted(f"The mail server did not take the mail: {words.one_line(answers[-1], 300)}.")
    code = result.exit_code
    return NotAccepted(f"The mail server cannot be reached on its submission port (curl ended with {code}).")
