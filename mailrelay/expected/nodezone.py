"""The time zone that this node's jobs run in."""

from __future__ import annotations

from datetime import tzinfo
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings

_LOCALTIME = Path("/etc/localtime")


def zone() -> tzinfo:
    """The zone that the settings name; else the machine's; else UTC. (Django itself runs in UTC.)"""
    name: str = settings.QUAZZAR_TIME_ZONE
    return ZoneInfo(name) if name else _machine()


def name() -> str:
    """The zone's name as people write it: UTC has several in the time zone database."""
    found = str(zone())
    return (
        "UTC"
        if found in ("Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Universal", "Zulu")
        else found
    )


@lru_cache
def _machine() -> tzinfo:
    try:
        with _LOCALTIME.open("rb") as file:
            # Its name is only in the path that the link leads to.
            return ZoneInfo.from_file(file, key=str(_LOCALTIME.resolve()).partition("zoneinfo/")[2] or None)
    except (OSError, ValueError):
        return ZoneInfo("UTC")
