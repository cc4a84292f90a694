"""Collects what is wrong with the fields of an input, so that a person reads all of it at once. Pure.

A rule is a function that returns the value to store, or raises ValueError with a sentence for a person. Every app
states its rules once, in a ``rules`` module; API, console, CSV import and Python code all pass through them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from quazzar import words
from quazzar.errors import InvalidFields

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Wrong:
    """Sentences about an input, by field."""

    def __init__(self) -> None:
        self.fields: dict[str, list[str]] = {}

    def add(self, field: str, *sentences: str) -> None:
        """Add sentences about a field; none adds nothing."""
        if sentences:
            self.fields.setdefault(field, []).extend(sentences)

    def checked(self, field: str, rule: Callable[..., T], *arguments: Any, default: T) -> T:
        """Return what the rule makes of its arguments; if it objects, keep its sentence and return ``default``."""
        try:
            return rule(*arguments)
        except ValueError as exc:
            self.add(field, str(exc))
            return default

    def raise_if_any(self) -> None:
        """End the check.

        Raises:
            InvalidFields: if any sentence was added.
        """
        if self.fields:
            raise InvalidFields(self.fields)


def text(value: object) -> str:
    """Return the value if it is a string.

    Raises:
        ValueError: if it is not.
    """
    if not isinstance(value, str):
        raise ValueError("This must be text.")
    return value


def name(value: object, what: str = "The name") -> str:
    """Return the value if it can be shown as a name: one line, without characters that nobody sees.

    Raises:
        ValueError: if it cannot; the sentence begins with ``what``.
    """
    shown = text(value)
    if problem := name_problem(shown, what):
        raise ValueError(problem)
    return shown


def name_problem(shown: str, what: str = "The name") -> str:
    """The sentence with which ``name`` refuses a text; empty: it is a name."""
    if found := words.unseen(shown):
        return f"{what} contains an invisible character ({found}). Delete it, or type the name by hand."
    return "" if words.printable(shown) else f"{what} cannot contain line breaks or control characters."


def flag(value: object) -> bool:
    """Return the value if it is a boolean; 0, 1 and "true" are not.

    Raises:
        ValueError: if it is not.
    """
    if not isinstance(value, bool):
        raise ValueError("This must be true or false.")
    return value
