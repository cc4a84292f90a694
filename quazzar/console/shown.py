"""How the console shows times and states: short for the eye, complete for the pointer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

if TYPE_CHECKING:
    from quazzar.models import ApiKey

NOTHING = mark_safe('<span class="q-none">–</span>')
_KEY_STATES = {"active": ("Active", "ok"), "expired": ("Expired", "off"), "revoked": ("Revoked", "bad")}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def badge(text: str, kind: str) -> SafeString:
    """A state in a word; kind is ok, busy, wait, bad or off."""
    return format_html('<span class="q-badge q-{}">{}</span>', kind, text)


def key_badge(key: ApiKey) -> SafeString:
    """The state of an API key."""
    return badge(*_KEY_STATES[key.state])


def span(time: timedelta) -> str:
    """A length of time in its largest unit: ``4 min``."""
    seconds = max(0, round(time.total_seconds()))
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 s"


def moment(at: datetime | None, *, now: datetime | None = None) -> str | SafeString:
    """A time: the clock alone when it is of today."""
    if at is None:
        return NOTHING
    local, today = timezone.localtime(at), timezone.localtime(now)
    pattern = "%H:%M" if local.date() == today.date() else "%d %b %H:%M"
    if local.year != today.year:
        pattern = "%d %b %Y"
    return _time(at, f"{local:{pattern}}")


def distance(at: datetime | None, *, now: datetime | None = None) -> str | SafeString:
    """How far off a time is: ``in 4 min``, ``2 h ago``, ``now``."""
    if at is None:
        return NOTHING
    away = at - (now or timezone.now())
    if abs(away) < timedelta(seconds=1):
        return _time(at, "now")
    return _time(at, f"in {span(away)}" if away > timedelta() else f"{span(-away)} ago")


def _time(at: datetime, text: str) -> SafeString:
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', at.isoformat(), f"{local:%Y-%m-%d %H:%M:%S %Z}", text
    )
