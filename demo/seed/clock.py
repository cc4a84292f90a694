"""A clock that shows the product's own code another time, so that a week passes in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, tzinfo
from unittest.mock import patch

#: Something that happened: when, and what to call to let it happen.
Event = tuple[datetime, Callable[[], None]]
#: The functions by which the product reads the time.
_CLOCKS = ("django.utils.timezone.datetime", "mailrelay.mail.mime.datetime")


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Inside, it is this moment."""

    class Then(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return moment.astimezone(tz)

    with ExitStack() as patches:
        for clock in _CLOCKS:
            patches.enter_context(patch(clock, Then))
        yield
