"""Reports of other mail servers as plain values, and the ways in which one can be unfit. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from quazzar import words
from quazzar.errors import QuazzarError

#: The most records of one report that are read, and the longest text that is kept of anything in it.
MOST_RECORDS = 20_000
LONGEST = 255
#: A larger number of mails in one record is nonsense.
_MOST_MAILS = 10**12
#: The longest time that a report may be about; almost all are about one day.
_LONGEST_SPAN = timedelta(days=40)
_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
#: Blanks but the space, control characters, directions of writing, and halves of characters, which no database takes.
_UNPRINTABLE = re.compile(
    r"[^\S ]+|[^\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]|[\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


class Why(StrEnum):
    """Why a report was not stored."""

    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    DATES = "dates"
    NOT_OURS = "not_ours"
    TOO_MANY = "too_many"


class Unfit(QuazzarError):
    """A file is not a report that can be stored."""

    code = "report_refused"
    hint = (
        "Send a DMARC report (XML) or a TLS report (JSON) as it arrived: plain, gzip, zip, or the whole mail."
    )
    status = 400

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a report is about."""

    begins: datetime
    ends: datetime

    @property
    def day(self) -> datetime:
        """The day that most of it is in, by UTC: reporters' days begin in their own time zones."""
        middle = self.begins + (self.ends - self.begins) / 2
        return middle.replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """Mails from one address with the same result.

    Attributes:
        dkim, spf: whether DMARC counts it as passed: authenticated, by the domain in From.
        disposition: what the receiver did: none, quarantine or reject.
        reason: why it did something else than the policy says, such as forwarded; empty: it did not say.
        signer: a domain whose DKIM or SPF passed, whatever the domain in From; empty: none.
    """

    address: str
    count: int
    dkim: bool
    spf: bool
    disposition: str
    reason: str
    header_from: str
    signer: str

    @property
    def passed(self) -> bool:
        """DMARC needs only one of the two."""
        return self.dkim or self.spf


@dataclass(frozen=True, slots=True)
class DmarcReport:
    """An aggregate report (RFC 7489 appendix C, RFC 9990).

    Attributes:
        domain: that the policy is published at.
        policy: the policy that the receiver saw.
        errors: what the reporter says that went wrong.
    """

    organisation: str
    report_id: str
    period: Period
    domain: str
    policy: str
    records: tuple[DmarcRecord, ...]
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TlsResult:
    """Sessions with the same result.

    Attributes:
        policy: sts, tlsa or no-policy-found.
        result: ``ok``, or the type of the failure (RFC 8460 §4.3).
        host: the receiving server, if the failure names it.
    """

    domain: str
    policy: str
    result: str
    host: str
    count: int


@dataclass(frozen=True, slots=True)
class TlsReport:
    """A report on TLS (RFC 8460)."""

    organisation: str
    report_id: str
    period: Period
    results: tuple[TlsResult, ...]


Report = DmarcReport | TlsReport
#: The result of sessions without a failure.
OK = "ok"


# --- reading what others write -----------------------------------------------------------------------------
def text(value: object, longest: int = LONGEST) -> str:
    """One printable line of limited length; empty for anything that is no text or number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return _UNPRINTABLE.sub(" ", str(value)[: 4 * longest]).strip()[:longest]


def word(value: object) -> str:
    """A keyword in lower case."""
    return text(value, 40).lower()


def name(value: object) -> str:
    """A domain in lower case without the final dot; empty: it is none."""
    given = text(value).lower().rstrip(".")
    if not given.isascii():
        try:
            given = given.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return given if _NAME.fullmatch(given) else ""


def address(value: object) -> str:
    """An IP address in its usual form; empty: it is none."""
    try:
        parsed = ipaddress.ip_address(text(value, 60).strip("[]").partition("%")[0])
    except ValueError:
        return ""
    return str((parsed.version == 6 and parsed.ipv4_mapped) or parsed)


def count(value: object) -> int:
    """A number of mails or sessions; 0 for nonsense."""
    digits = text(value, 20)
    return int(digits) if digits.isascii() and digits.isdigit() and int(digits) <= _MOST_MAILS else 0


def moment(value: object) -> datetime | None:
    """A time as seconds or milliseconds since 1970, or as RFC 3339; None: it is neither."""
    given = text(value, 40)
    try:
        if re.fullmatch(r"[0-9]{1,16}(\.[0-9]+)?", given, re.ASCII):
            seconds = float(given)
            return datetime.fromtimestamp(seconds / 1000 if seconds > 10**11 else seconds, UTC)
        parsed = datetime.fromisoformat(given.replace(" UTC", "+00:00"))
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def period(begins: object, ends: object) -> Period:
    """The time between two moments.

    Raises:
        Unfit: one is missing, or the report would be about more than 40 days or about less than nothing.
    """
    first, last = moment(begins), moment(ends)
    if first is None or last is None:
        raise Unfit(Why.DATES, "The report does not say which days it is about.")
    if not timedelta() <= last - first <= _LONGEST_SPAN:
        raise Unfit(
            Why.DATES, f"The report is about an impossible time: {words.day(first)} to {words.day(last)}."
        )
    return Period(first, last)
