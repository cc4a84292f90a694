"""Rules collected field by field."""

from __future__ import annotations

import pytest

from quazzar.errors import InvalidFields
from quazzar.validation import Wrong, flag, text


def test_all_that_is_wrong_is_raised_at_once() -> None:
    wrong = Wrong()
    assert wrong.checked("name", text, 5, default="") == ""
    assert wrong.checked("enabled", flag, True, default=False) is True
    wrong.add("name", "It is too long.")
    with pytest.raises(InvalidFields) as caught:
        wrong.raise_if_any()
    assert caught.value.fields == {"name": ["This must be text.", "It is too long."]}


def test_nothing_wrong_raises_nothing() -> None:
    wrong = Wrong()
    assert wrong.checked("name", text, "x", default="") == "x"
    wrong.add("name")
    wrong.raise_if_any()


@pytest.mark.parametrize(
    ("rule", "value"), [(text, 5), (text, None), (flag, 1), (flag, "true"), (flag, None)]
)
def test_no_value_is_taken_for_one_of_another_type(rule: object, value: object) -> None:
    assert callable(rule)
    with pytest.raises(ValueError):
        rule(value)
