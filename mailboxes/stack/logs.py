"""The containers' logs as an operator reads them: without the health checks' noise, and without secrets."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.conf import settings

from mailboxes.stack.blueprint.services import SERVICES
from quazzar.errors import InvalidFields, NotThere
from quazzar.monitoring.logs import MASK, redact

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

__all__ = ["MOST", "SERVICES", "merge", "moment", "read", "readable"]

MOST = 5000
#: So many lines are asked for in place of each that is wanted, because those of the health checks are left out.
_SPARE = 4
_LONGEST = 4000

# A health check comes from the container itself, and never gets as far as a login or a message.
_NOISE = re.compile(
    r"\bconnect(?:ion after CONNECT)? from \S{0,255}\[127\.0\.0\.1\]"
    r"|\bdisconnect from \S{0,255}\[127\.0\.0\.1\](?: (?:ehlo|quit|commands)=\d+)+\s*$"
    r"|\bimap-login: .{0,200}\(no auth attempts.{0,200}\brip=127\.0\.0\.1"
    r"|\blmtp\(\d+\): Info: (?:C|Disc)onnect from 127\.0\.0\.1(?::.{0,100}state=GREETING\)|\s*$)"
    r"|\bGET /ping\b"
)
# After AUTH comes what proves who somebody is; Postfix logs it when a client sends it out of turn.
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
    """The last lines of one container; with service "" of all three, in the order of time, each with its service.

    Raises:
        InvalidFields: there is no such service, or ``tail`` is not 1 to 5000.
        NotThere: the stack has no containers.
        StackError: the Docker Engine does not answer.
    """
    _check(service, tail)
    wanted = (service,) if service else SERVICES
    asked = {name: _lines(engine, name, tail) for name in wanted}
    found = {name: lines for name, lines in asked.items() if lines is not None}
    if not found:
        raise NotThere("There are no containers, so there is no log.", hint="Enable the mailbox stack.")
    if service:
        return _text(found[service][-tail:])
    return _text(merge(found, datetime.now(UTC))[-tail:])


def _check(service: str, tail: int) -> None:
    problems = {}
    if service and service not in SERVICES:
        problems["service"] = [f"This must be one of {', '.join(SERVICES)}, or empty for all."]
    if not 1 <= tail <= MOST:
        problems["tail"] = [f"This must be a number from 1 to {MOST}."]
    if problems:
        raise InvalidFields(problems)


def _lines(engine: Engine, service: str, tail: int) -> list[str] | None:
    """What the container wrote; None when there is none."""
    try:
        text = engine.logs(f"{settings.QUAZZAR_STACK_PROJECT}-{service}", tail * _SPARE)
    except NotThere:
        return None
    return readable(text)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def readable(text: str) -> list[str]:
    """The lines that tell something, with everything that may be a secret masked. Pure."""
    # Over the whole text: a private key has many lines.
    shown = _COLOUR.sub("", redact(text))
    return [
        _masked(line[:_LONGEST]) for line in shown.split("\n") if line.strip() and not _NOISE.search(line)
    ]


def _masked(line: str) -> str:
    clean = _CONTROL.sub("", line)
    for pattern in _SECRETS:
        clean = pattern.sub(rf"\1{MASK}", clean)
    return clean


# --- the order of time ---------------------------------------------------------------------------------------
def merge(logs: dict[str, list[str]], now: datetime) -> list[str]:
    """The lines of several services in one, each with its service in front. Pure."""
    width = max(map(len, logs))
    stamped = []
    for service, lines in logs.items():
        times = [moment(line, now) for line in lines]
        last = next(filter(None, times), now)
        for line, time in zip(lines, times, strict=True):
            # A line without a time belongs to the one before; at the beginning to the first that has one.
            last = time or last
            stamped.append((last, f"{service:<{width}} | {line}"))
    return [line for _, line in sorted(stamped, key=lambda each: each[0])]


def moment(line: str, now: datetime) -> datetime | None:
    """When the line was written, as it says itself; None when it does not."""
    try:
        if found := _ISO.match(line):
            day, time, fraction, zone = found.groups()
            zone = "+00:00" if zone in (None, "Z") else zone
            return datetime.fromisoformat(f"{day}T{time}.{(fraction or '0'):0<6}{zone}")
        if found := _SYSLOG.match(line):
            return _this_year(" ".join(found.groups()), now)
    except ValueError:
        return None
    return None


def _this_year(text: str, now: datetime) -> datetime:
    """The latest such moment that is not in the future."""
    written = datetime.strptime(f"{now.year} {text}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
    # A day to spare, for clocks and zones.
    return written.replace(year=now.year - 1) if (written - now).days >= 1 else written
