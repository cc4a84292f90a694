"""Times, states and headings as the console shows them.

Times are written in UTC; ``static/quazzar/times.js`` shows them in the browser's zone. The tooltip has them in UTC,
with date and seconds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from quazzar import words
from quazzar.plans import lapse

if TYPE_CHECKING:
    from quazzar.models import ApiKey

NOTHING = mark_safe('<span class="q-none">–</span>')
#: A day, or a time in UTC, as sentences have it.
_WRITTEN = re.compile(r"(?<![\w.:/-])(\d{4}-\d\d-\d\d)(?: (\d\d:\d\d) UTC)?(?![\w:/-]|\.\d| \d)")
#: Django's names of apps and models → the console's.
_HEADINGS = {
    "authentication and authorization": "Access",
    "users": "Operators",
    "mailbox stack": "Mail server",
    "stack images": "Images of the mail server",
}
#: How rows begin that have no name, such as ``check of blocklists``.
_NAMELESS = re.compile(
    r"(?:check of |proofs?[: ]|alert group |licence$|sweep$|upgrade \d|import of |key \d|recovery code of |"
    r"session of |not )"
)
_KEY_STATES = {"active": ("Active", "ok"), "expired": ("Expired", "off"), "revoked": ("Revoked", "bad")}


def heading(title: object) -> str:
    """What the console calls an app, a model or a row: names keep their case, and Django's own words become ours."""
    text = str(title)
    if isinstance(title, Model) and not _NAMELESS.match(text):
        return text
    return _HEADINGS.get(text.lower()) or text[:1].upper() + text[1:]


def badge(text: str, kind: str) -> SafeString:
    """A state in a word, in the colour of its kind: ok, busy, wait, bad or off."""
    return format_html('<span class="q-badge q-{}">{}</span>', kind, text)


def key_badge(key: ApiKey) -> SafeString:
    """The state of an API key."""
    return badge(*_KEY_STATES[key.state])


def licence_ends() -> str:
    """How long the licence still includes Mail Relay, if that ends soon: ``6 days``; else empty."""
    left = lapse.ending(timezone.now())
    return "" if left is None else words.span(left)


def problem(error: dict[str, Any] | None) -> str:
    """The sentence of a ``last_error`` column."""
    return str((error or {}).get("message", "")) or NOTHING


def address(text: str) -> SafeString:
    """A mail address, perhaps behind a name. Where the line is too short for it, it begins a line of its own, and is
    broken after its @, not within a word."""
    name, space, mail = text.rpartition(" ")
    local, at, domain = mail.rpartition("@")
    if not at:
        return format_html("{}", text)
    if not name:
        return format_html("{}{}<wbr>{}", local, at, domain)
    return format_html('{}{}<span class="q-whole">{}{}<wbr>{}</span>', name, space, local, at, domain)


def moment(at: datetime | None, *, now: datetime | None = None) -> str | SafeString:
    """A time: ``14:05 UTC`` today, ``03 Nov 14:05 UTC`` this year, else ``03 Nov 2025``."""
    if at is None:
        return NOTHING
    local, today = at.astimezone(UTC), (now or timezone.now()).astimezone(UTC)
    pattern = "%H:%M UTC" if local.date() == today.date() else "%d %b %H:%M UTC"
    if local.year != today.year:
        pattern = "%d %b %Y"
    return _time(at, f"{local:{pattern}}", "moment")


def day(at: datetime | None) -> str | SafeString:
    """The day of a time: ``03 Nov 2025``."""
    return NOTHING if at is None else _time(at, f"{at.astimezone(UTC):%d %b %Y}", "day")


def calendar_day(day: date) -> str:
    """A day that is the same in every zone, such as 03 Nov 2026."""
    return f"{day:%d %b %Y}"


def distance(at: datetime | None, *, now: datetime | None = None) -> str | SafeString:
    """How far off a time is: ``in 4 min``, ``2 h ago``, ``now``."""
    if at is None:
        return NOTHING
    return _time(at, words.distance(at - (now or timezone.now())))


def number(value: int) -> str:
    """A number with its thousands apart, as in sentences: 12,400."""
    return f"{value:,}"


def _time(at: datetime, text: str, form: str = "") -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}"{}>{}</time>',
        at.isoformat(),
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        format_html(' data-form="{}"', form) if form else "",
        text,
    )


def timed(text: str) -> SafeString:
    """A sentence of ours, with the times and days in it (``words.minute``, ``words.day``) as pages show them."""
    escaped = escape(text)
    return mark_safe(_WRITTEN.sub(_rewritten, escaped))  # noqa: S308  (escaped; only digits are replaced)


def _rewritten(found: re.Match[str]) -> str:
    try:
        at = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}").replace(tzinfo=UTC)
    except ValueError:
        return found[0]
    return str(moment(at)) if found[2] else f'<time datetime="{found[1]}">{at:%d %b %Y}</time>'


def qr_code(content: str) -> SafeString:
    """A QR code of this text, as an SVG element."""
    # Here, because it loads Pillow, which takes 4 MB.
    import qrcode
    from qrcode.image.svg import SvgPathImage

    image = qrcode.make(content, image_factory=SvgPathImage, border=2, box_size=10)
    return mark_safe(image.to_string(encoding="unicode"))  # noqa: S308  (drawn here, of numbers)
