"""The providers that a relay may be."""

from __future__ import annotations

import pytest

from dnsrecords.spf.providers import PROVIDERS, provider_of, relay_include


@pytest.mark.parametrize(
    ("preset", "host", "include"),
    [
        ("mailgun", "", "mailgun.org"),
        ("custom", "smtp.eu.mailgun.org", "mailgun.org"),
        ("custom", "Email-SMTP.eu-west-1.amazonaws.com.", "amazonses.com"),
        ("custom", "smtp-broadcasts.postmarkapp.com", "spf.mtasv.net"),
        ("custom", "smtp.notmailgun.org", ""),
        ("custom", "", ""),
    ],
)
def test_a_provider_is_known_by_its_preset_or_by_its_host(preset: str, host: str, include: str) -> None:
    assert relay_include(preset, host) == include


def test_each_provider_has_a_note_on_what_its_include_is_worth() -> None:
    for provider in PROVIDERS.values():
        assert provider_of(provider.include) is provider
        assert provider.note.endswith(".")
    assert provider_of("example.net") is None
