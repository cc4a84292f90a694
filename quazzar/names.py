"""A model field for names that people choose, and that pages, mails and the audit log show among other words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models

from quazzar import validation, words

if TYPE_CHECKING:
    _Base = models.CharField[str, str]
else:
    _Base = models.CharField


def validate_name(value: str) -> None:
    """``validation.name``, as a validator of forms and models.

    Raises:
        ValidationError: the name cannot be shown.
    """
    if problem := validation.name_problem(value):
        raise ValidationError(problem)


class NameField(_Base):
    """A name in one line. Names stored before this rule are read without the characters that it refuses."""

    default_validators = (validate_name,)

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        """The name as it can be shown."""
        return value if value is None or value.isprintable() else words.seen(value)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """For migrations a CharField, which its column is."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", list(args), kwargs
