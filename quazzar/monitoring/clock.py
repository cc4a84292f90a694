"""Whether something keeps the clock right, as the kernel knows it: adjtimex(2)."""

from __future__ import annotations

import ctypes

#: More than ``struct timex`` has; zeros only ask.
_TIMEX_BYTES = 512
_TIME_ERROR = 5


def is_synchronised() -> bool | None:
    """Whether an NTP client or the like keeps it right; None if the kernel does not say."""
    state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR
