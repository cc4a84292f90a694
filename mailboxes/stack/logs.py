"""The containers' logs for the operator: without the lines of health checks, and with secrets masked."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from django.conf import settings

from mailboxes.stack.blueprint.services import SERVICES
from quazzar.errors import InvalidFields, NotThere
from quazzar.monitoring.logs import MASK, redact

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

__all__ = ["MOST", "SERVICES", "merge", "moment", "read", "readable"]

#: Lines that one request may ask for.
MOST = 5000
#: Lines to fetch for each line that is wanted, because those of the health checks are left out.
_SPARE = 4
_LONGEST = 4000

# A health check comes from the container itself, and never gets as far as a login or a message.
_NOISE = re.compile(
    r"\bconnect(?:ion after CONNECT)? from \S{0,255}\[127\.0\.0\.1\]"
    r"|\bdisconnect from \S{0,255}\[127\.0\.0\.1\](?: (?:ehlo|quit|commands)=\d+)+\s*$"
    r"|\bimap-login: .{0,200}\(no auth attempts.{0,200}\brip=127\.0\.0\.1"
    r"|\blmtp\(\d+\): Info: (?:C|Disc)onnect from 127\.0\.0\.1(?::.{0,100}state=GREETING\)|\s*$)"
    r"|\bGET /ping\b"
    # The line before it says who failed to log in.
    r"|\bInfo: fresh: missing passwd file: /etc/dovecot/fresh/"
)
# Credentials follow AUTH, and Postfix logs them if a client sends them out of turn.
_SECRETS = (
    re.compile(r"(\bAUTH(?:ENTICATE)?\s+\S+\s+)\S.*"),
    re.compile(
        r"(?i)(\bauth(?:enticate)?\s+(?:plain|login|xoauth2|oauthbearer|cram-md5|ntlm|scram-\S+)\s+)\S.*"
    ),
    re.compile(r"(\bafter AUTH from \S{1,300}: ).+"),
    re.compile(r"(\bauthentication failed: )[A-Za-z0-9+/=]{8,}\s*$"),
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: 2026-11-22T20:13:44.767633+00:00, 2026-11-22 20:13:43,725 and 2026-11-22 20:14:45.
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)?")
#: Dovecot's: Nov 22 20:13:35, without a year.
_SYSLOG = re.compile(r"([A-Z][a-z]{2}) ([ \d]\d) (\d\d:\d\d:\d\d)")


def read(service: str, tail: int, engine: Engine) -> str:
    """The last ``tail`` lines of one container's log, or of all three merged by time, each with its service in front.

    Args:
        service: postfix, dovecot or rspamd; empty means all three.
        tail: number of lines, 1 to 5000.

    Raises:
        InvalidFields: ``service`` or ``tail`` is not one of these.
        NotThere: the stack has no containers.
        StackError: the Docker Engine does not answer.
    """
    _check(service, tail)
    services = (service,) if service else SERVICES
    answers = {name: _lines(engine, name, tail) for name in services}
    logs = {name: lines for name, lines in answers.items() if lines is not None}
    if not logs:
        raise NotThere(
            "There is no log, because there are no containers.", hint="Enable the mail server first."
        )
    if service:
        return _text(logs[service][-tail:])
    return _text(merge(logs, datetime.now(UTC))[-tail:])


def _check(service: str, tail: int) -> None:
    problems = {}
    if service and service not in SERVICES:
        problems["service"] = [f"This must be one of {', '.join(SERVICES)}, or empty for all."]
    if not 1 <= tail <= MOST:
        problems["tail"] = [f"This must be a number from 1 to {MOST}."]
    if problems:
        raise InvalidFields(problems)


def _lines(engine: Engine, service: str, tail: int) -> list[str] | None:
    """The container's readable lines; None if there is no such container."""
    try:
        text = engine.logs(f"{settings.QUAZZAR_STACK_PROJECT}-{service}", tail * _SPARE)
    except NotThere:
        return None
    return readable(text)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def readable(text: str) -> list[str]:
    """The lines without those of health checks, with everything that may be a secret masked. Pure."""
    # Redact the whole text first: a private key has many lines.
    redacted = _COLOUR.sub("", redact(text))
    return [
        _masked(line[:_LONGEST]) for line in redacted.split("\n") if line.strip() and not _NOISE.search(line)
    ]


def _masked(line: str) -> str:
    clean = _CONTROL.sub("", line)
    for pattern in _SECRETS:
        clean = pattern.sub(rf"\1{MASK}", clean)
    return clean


# --- the order of time ---------------------------------------------------------------------------------------
def merge(logs: dict[str, list[str]], now: datetime) -> list[str]:
    """The lines of several services, sorted by time, each with its service in front. Pure.

    Args:
        logs: service → lines.
        now: decides the year of lines that carry none.
    """
    width = max(map(len, logs))
    stamped = []
    for service, lines in logs.items():
        times = [moment(line, now) for line in lines]
        last = next(filter(None, times), now)
        for line, time in zip(lines, times, strict=True):
            # A line without a time belongs to the line before it, or at the beginning to the first that has one.
            last = time or last
            stamped.append((last, f"{service:<{width}} | {line}"))
    return [line for _, line in sorted(stamped, key=itemgetter(0))]


def moment(line: str, now: datetime) -> datetime | None:
    """The time at the beginning of a line; None if it has none."""
    try:
        if match := _ISO.match(line):
            day, time, fraction, zone = match.groups()
            zone = "+00:00" if zone in (None, "Z") else zone
            return datetime.fromisoformat(f"{day}T{time}.{(fraction or '0'):0<6}{zone}")
        if match := _SYSLOG.match(line):
            return _latest(" ".join(match.groups()), now)
    except ValueError:
        return None
    return None


def _latest(text: str, now: datetime) -> datetime:
    """The latest moment with this month, day and time that is not in the future."""
    written = datetime.strptime(f"{now.year} {text}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
    # One day of tolerance for clocks and time zones.
    return written.replace(year=now.year - 1) if (written - now).days >= 1 else written
