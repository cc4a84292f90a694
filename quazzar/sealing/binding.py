"""A stored secret is bound to the place it is sent to. Pure.

Otherwise, someone who may change the place but not read the secret could have it sent to their own server. So a
change of the place needs the secret again, and "leave it empty to keep it" holds only while the place stays the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def has_moved(before: Mapping[str, Any], after: Mapping[str, Any], place: Iterable[str]) -> bool:
    """Whether one of the fields that make up the place differs. Both mappings hold normalised values."""
    return any(before[name] != after[name] for name in place)
