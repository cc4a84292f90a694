"""How much a run tries: `make test` some cases of each kind, `make test-long` all of them.

A test that is marked `long` tries fewer cases in the usual run; one marked `thorough` runs in the long one alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

#: Whether this is the long run: of the tests marked `long` or `thorough` alone, which CI makes after the usual one.
LONG = os.environ.get("QUAZZAR_TEST_LONG", "") not in ("", "0")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tries more examples of each property in the long run."""
    if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
        item.add_marker("long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the thorough ones to the long run, unless a test is asked for by its name."""
    if LONG or any("::" in argument for argument in config.args):
        return
    left = [item for item in items if item.get_closest_marker("thorough")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]


def fewer(usual: T, everything: T) -> T:
    """The usual number (or choice); everything in the long run."""
    return everything if LONG else usual


def some(cases: Iterable[T], every: int) -> list[T]:
    """Every third case, say; all of them in the long run."""
    return list(cases)[:: fewer(every, 1)]
