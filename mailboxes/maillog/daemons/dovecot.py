"""Dovecot: what Sieve did with a mail that came by LMTP, and who signed in or failed to. Pure."""

from __future__ import annotations

import re

from mailboxes.maillog.daemons.event import Event, Kind, tidy

_SIEVE = re.compile(
    r"\b(?:lmtp|lda)\((?P<user>[^()\s]{1,320}|[^()]{1,320}@[^()\s]{1,255})\)(?:<[^<>]*>){0,2}: (?:\w+: )?(?:sieve: )?"
    r"msgid=(?P<id>.{0,998}?): (?:[a-z ]{1,20} action: )?(?P<what>(?:stored mail|saved mail|failed to store|forwarded|"
    r"discarded duplicate|[Mm]arked message|rejected|sent vacation|discarding message|failed to (?:redirect|send)).*)",
    re.DOTALL,
)
_FOLDER = re.compile(r"(?:stored|saved) mail (?:in)?to (?:mailbox )?'?(?P<folder>.*?)'?(?: \(.*\))?$")
_ADDRESS = re.compile(r"<([^<>]{1,320})>")
_SIGN_IN = re.compile(
    r"\b(?P<protocol>imap|pop3|submission|managesieve)-login: (?:Info: )?"
    r"(?P<what>Logged in|Login aborted|Login|Disconnected|Aborted login)\b(?P<text>.*?)(?:: |\b)"
    r"user=<(?P<user>[^<>]{0,320})>.*?\brip=(?P<client>[0-9A-Fa-f:.]{2,60})",
    re.DOTALL,
)
_FAILED = re.compile(r"auth failed|auth_failed|auth_process_not_ready|authorization failed", re.IGNORECASE)
#: What Sieve did → kind. The first that fits counts.
_WHAT = (
    ("stored", Kind.FILED),
    ("saved", Kind.FILED),
    ("failed to store", Kind.NOT_FILED),
    ("failed", Kind.SIEVE_FAILED),
    ("forwarded", Kind.FORWARDED),
    ("discarded duplicate", Kind.DUPLICATE),
    ("marked", Kind.DISCARDED),
    ("discarding", Kind.DISCARDED),
    ("rejected", Kind.SIEVE_REFUSED),
    ("sent vacation", Kind.REPLIED),
)
_NO_ID = ("", "unspecified", "<unspecified>", "<>")
_HEALTH_CHECKS = ("127.0.0.1", "::1")


def parse(line: str) -> tuple[Event, ...]:
    """What the line says; nothing if it is neither about a mail nor about somebody who signs in."""
    if "msgid=" in line:
        return _sieve(line)
    if "-login: " in line:
        return _login(line)
    return ()


def _sieve(line: str) -> tuple[Event, ...]:
    if not (found := _SIEVE.search(line)):
        return ()
    what = found["what"].strip()
    kind = next(kind for word, kind in _WHAT if what.lower().startswith(word))
    folder, others = _FOLDER.match(what), _ADDRESS.findall(what)
    remote = folder["folder"] if kind == Kind.FILED and folder else ""
    if kind in (Kind.FORWARDED, Kind.DUPLICATE, Kind.REPLIED, Kind.SIEVE_REFUSED) and others:
        remote = others[0]
    message_id = found["id"].strip()
    return (
        Event(
            "dovecot", kind, message_id="" if message_id in _NO_ID else message_id, recipients=(found["user"],),
            remote=tidy(remote), text=tidy(what) if kind in (Kind.NOT_FILED, Kind.SIEVE_FAILED) else "",
        ),
    )  # fmt: skip


def _login(line: str) -> tuple[Event, ...]:
    found = _SIGN_IN.search(line)
    if not found or not found["user"] or found["client"] in _HEALTH_CHECKS:
        return ()
    if found["what"] in ("Logged in", "Login"):
        kind = Kind.SIGN_IN
    elif _FAILED.search(found["text"]):
        kind = Kind.SIGN_IN_FAILED
    else:
        return ()
    protocol = found["protocol"].upper()
    return (Event("dovecot", kind, client=found["client"], login=found["user"], data={"protocol": protocol}),)
