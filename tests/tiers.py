"""How much a run tries: `make test` a few of each kind, `make test-long` all of them."""

from __future__ import annotations

import os
from typing import TypeVar

import pytest

T = TypeVar("T")

#: Whether this is the long run: of the tests marked `long` alone, which CI makes after the usual one.
LONG = os.environ.get("QUAZZAR_TEST_LONG", "") not in ("", "0")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tries more examples of each property in the long run."""
    if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
        item.add_marker("long")


def fewer(usual: T, everything: T) -> T:
    """The usual number (or choice); everything in the long run."""
    return everything if LONG else usual
