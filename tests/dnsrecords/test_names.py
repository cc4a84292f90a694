"""Names in DNS."""

from __future__ import annotations

import pytest

from dnsrecords.names import relative_name


@pytest.mark.parametrize(
    ("name", "relative"),
    [
        ("example.org", "@"),
        ("quazzar._domainkey.example.org", "quazzar._domainkey"),
        ("mail.other.net", "mail.other.net."),
        ("notexample.org", "notexample.org."),
        ("org", "org."),
    ],
)
def test_names_are_shown_as_registrars_want_them(name: str, relative: str) -> None:
    assert relative_name(name, "example.org") == relative
