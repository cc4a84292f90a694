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


@lru_cache
def _machine() -> tzinfo:
    try:
        with _LOCALTIME.open("rb") as file:
            # Its name is only in the path that the link leads to.
            return ZoneInfo.from_file(file, key=str(_LOCALTIME.resolve()).partition("zoneinfo/")[2] or None)
    except (OSError, ValueError):
        return ZoneInfo("UTC")
