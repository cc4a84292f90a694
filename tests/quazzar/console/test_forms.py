"""What the console's own form fields make of what people type."""

from __future__ import annotations

import pytest

from quazzar.console.forms import AddressesField


@pytest.mark.parametrize(
    ("typed", "addresses"),
    [
        ("a@x.test b@x.test, c@x.test;d@x.test\r\n\n  e@x.test ", [f"{name}@x.test" for name in "abcde"]),
        ("not an address\nops@x.test", ["not an address", "ops@x.test"]),
        ("Ops Team <ops@x.test>", ["Ops Team <ops@x.test>"]),
        ('"two words"@x.test', ['"two words"@x.test']),
        (
            '"Doe, John" <j@x.test>, "Roe; Jane" <r@x.test>',
            ['"Doe, John" <j@x.test>', '"Roe; Jane" <r@x.test>'],
        ),
        ('"a@x.test, b@x.test', ['"a@x.test', "b@x.test"]),
        (" \n,;", []),
    ],
)
def test_a_line_with_a_mistake_stays_whole(typed: str, addresses: list[str]) -> None:
    assert AddressesField(required=False).to_python(typed) == addresses
