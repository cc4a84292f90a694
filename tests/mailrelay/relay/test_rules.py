"""Relay settings are completed by presets, normalised, and refused in sentences."""

from __future__ import annotations

from typing import Any

import pytest

from mailrelay.relay.presets import PRESETS
from mailrelay.relay.rules import complete, oddity, problems

DEFAULTS: dict[str, Any] = {
    "provider": "custom",
    "host": "",
    "port": 587,
    "security": "starttls",
    "username": "",
    "from_address": "",
    "from_name": "",
    "alert_recipients": [],
    "backup_recipients": [],
    "notify_backup_success": False,
    "bounce_address": "",
}
CURRENT: dict[str, Any] = {
    **DEFAULTS,
    "provider": "ses",
    "host": "email-smtp.eu-west-1.amazonaws.com",
    "username": "AKIA",
    "port": 2587,
}


def filled(
    data: dict[str, Any], current: dict[str, Any] = DEFAULTS, *, partial: bool = False
) -> tuple[Any, Any, Any]:
    """Host, port and security of the completed settings."""
    values = complete(data, current, partial=partial)
    return values["host"], values["port"], values["security"]


def wrong(**changes: Any) -> dict[str, list[str]]:
    """What is wrong with the defaults after these changes."""
    return problems({**DEFAULTS, **changes})


# --- completing --------------------------------------------------------------------------------------------
def test_a_preset_fills_host_port_and_security() -> None:
    assert filled({"provider": "sendgrid"}) == ("smtp.sendgrid.net", 587, "starttls")


def test_a_preset_leaves_what_the_caller_sets() -> None:
    data = {"provider": "mailgun", "host": "smtp.eu.mailgun.org", "port": 465, "security": "tls"}
    assert filled(data) == ("smtp.eu.mailgun.org", 465, "tls")


def test_a_part_that_changes_the_provider_fills_again() -> None:
    assert filled({"provider": "postmark"}, CURRENT, partial=True) == (
        "smtp.postmarkapp.com",
        587,
        "starttls",
    )


def test_a_part_that_repeats_the_provider_keeps_the_region() -> None:
    host, port, _ = filled({"provider": "ses", "username": "new"}, CURRENT, partial=True)
    assert (host, port) == ("email-smtp.eu-west-1.amazonaws.com", 2587)


def test_a_part_that_changes_to_custom_keeps_host_and_port() -> None:
    assert filled({"provider": "custom"}, CURRENT, partial=True)[:2] == (CURRENT["host"], 2587)


def test_a_part_can_empty_the_host_under_a_preset() -> None:
    assert filled({"host": ""}, CURRENT, partial=True)[0] == ""


def test_a_whole_without_security_takes_the_one_that_fits_the_port() -> None:
    assert filled({"host": "mail.example.com", "port": 465}) == ("mail.example.com", 465, "tls")
    assert filled({"host": "mail.example.com"}) == ("mail.example.com", 587, "starttls")


def test_a_host_is_stored_in_its_normal_form(subtests: pytest.Subtests) -> None:
    for typed, stored in [
        (" SMTP.Example.COM. ", "smtp.example.com"),
        ("müller.example", "xn--mller-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("", ""),
    ]:
        with subtests.test(typed=typed, stored=stored):
            values = complete({"host": typed}, DEFAULTS, partial=False)
            assert values["host"] == stored
            assert problems(values) == {}


def test_addresses_are_stored_with_their_domain_as_a_label() -> None:
    data = {"from_address": " Node@Müller.example ", "alert_recipients": ["ops@EXAMPLE.com"]}
    values = complete(data, DEFAULTS, partial=False)
    assert values["from_address"] == "Node@xn--mller-kva.example"
    assert values["alert_recipients"] == ["ops@example.com"]


def test_completing_does_not_change_its_argument() -> None:
    data = {"provider": "mailgun", "alert_recipients": ["ops@EXAMPLE.com"]}
    complete(data, CURRENT, partial=True)
    assert data == {"provider": "mailgun", "alert_recipients": ["ops@EXAMPLE.com"]}
    assert CURRENT["provider"] == "ses"


# --- host --------------------------------------------------------------------------------------------------
def test_a_host_that_is_none_is_refused_with_advice(subtests: pytest.Subtests) -> None:
    for host, says in [
        ("https://smtp.example.com/", "not a URL: leave out the rest and enter smtp.example.com."),
        (
            "smtp://user:pw@smtp.example.com:587",
            "not a URL: leave out the rest and enter smtp.example.com.",
        ),
        ("smtps://", "not a URL"),
        ("smtp.example.com/relay", "contains a slash"),
        ("smtp example.com", "contains a space"),
        ("me@smtp.example.com", "contains an @. Enter smtp.example.com"),
        ("smtp.example.com:587", "contains a port. Enter smtp.example.com here, and 587 as the port."),
        ("[2001:db8::1]:25", "contains a port. Enter 2001:db8::1 here"),
        ("smtp..example.com", "neither a host name nor an IP address"),
        ("-smtp.example.com", "neither a host name nor an IP address"),
        ("exam!ple.com", "neither a host name nor an IP address"),
        ("a" * 64 + ".example.com", "neither a host name nor an IP address"),
        ("192.168.1", "neither a host name nor a complete IP address"),
        ("300.1.1.1", "neither a host name nor a complete IP address"),
        ("[192.0.2.1]", "neither a host name nor a complete IP address"),
        ("smtp.example.com\r\nX: y", "line breaks or control characters"),
        ("smtp\x00.example.com", "line breaks or control characters"),
        ("a." * 127 + "example", "253 characters"),
        (7, "must be text"),
    ]:
        with subtests.test(host=host, says=says):
            assert list(wrong(host=host)) == ["host"]
            assert says in wrong(host=host)["host"][0]


def test_a_host_name_or_address_is_accepted(subtests: pytest.Subtests) -> None:
    for host in ["smtp.example.com", "localhost", "nas", "192.0.2.1", "::1", "mail_1.lan", ""]:
        with subtests.test(host=host):
            assert wrong(host=host) == {}


# --- port and security -------------------------------------------------------------------------------------
def test_a_port_outside_its_range_is_refused(subtests: pytest.Subtests) -> None:
    for port in [0, -1, 65536, True, "587", None, 587.0]:
        with subtests.test(port=port):
            assert "1 to 65535" in wrong(port=port)["port"][0]


def test_port_and_security_that_do_not_fit_are_refused(subtests: pytest.Subtests) -> None:
    for port, security, says in [
        (
            465,
            "starttls",
            "Port 465 uses TLS from the first byte. Choose Implicit TLS, or port 587 for STARTTLS.",
        ),
        (
            465,
            "none",
            "Port 465 uses TLS from the first byte. Choose Implicit TLS, or port 587 for STARTTLS.",
        ),
        (587, "tls", "Port 587 starts in plain text. Choose STARTTLS, or port 465 for Implicit TLS."),
        (25, "tls", "Port 25 starts in plain text"),
        (2525, "tls", "Port 2525 starts in plain text"),
        (587, "ssl", "must be starttls, tls or none"),
    ]:
        with subtests.test(port=port, security=security, says=says):
            assert list(wrong(port=port, security=security)) == ["security"]
            assert says in wrong(port=port, security=security)["security"][0]


def test_port_and_security_that_fit_are_accepted(subtests: pytest.Subtests) -> None:
    for port, security in [
        (465, "tls"),
        (587, "starttls"),
        (587, "none"),
        (25, "none"),
        (2525, "starttls"),
        (1025, "none"),
        (20465, "tls"),
    ]:
        with subtests.test(port=port, security=security):
            assert wrong(port=port, security=security) == {}


# --- texts and addresses -----------------------------------------------------------------------------------
def test_a_from_address_that_is_no_address_is_refused(subtests: pytest.Subtests) -> None:
    for address in [
        "node",
        "@example.com",
        "node@",
        "a@b@example.com",
        "Node <node@example.com>",
        "a@example.com, b@example.com",
        "node @example.com",
        "node@exa mple.com",
        "node@-example.com",
        ".node@example.com",
        "node@example.com\r\nBcc: x",
        "node@example.com\x00",
        "x" * 65 + "@example.com",
        "\ud800@example.com",
        7,
    ]:
        with subtests.test(address=address):
            assert list(wrong(from_address=address)) == ["from_address"]


def test_a_good_from_address_is_accepted(subtests: pytest.Subtests) -> None:
    for address in ["", "node@example.com", "o'neil+x@sub.example.com", "node@müller.example"]:
        with subtests.test(address=address):
            assert wrong(from_address=address) == {}


def test_a_from_address_with_a_name_gets_advice_where_the_name_goes() -> None:
    assert (
        "The name goes into the from name" in wrong(from_address="Node <node@example.com>")["from_address"][0]
    )


@pytest.mark.parametrize("field", ["username", "from_name"])
def test_texts_cannot_carry_lines_or_half_characters(field: str) -> None:
    for text in ("a\r\nb", "a\nb", "a\x00b", "a\x7fb", "\ud800", "x" * 321, None):
        assert list(wrong(**{field: text})) == [field]
    assert wrong(**{field: "Jürgen's Node 7"}) == {}


def test_an_unknown_provider_is_refused() -> None:
    ids = ", ".join(preset.id for preset in PRESETS)
    assert wrong(provider="hotmail") == {"provider": [f"The provider must be one of {ids}."]}


# --- recipients --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("field", ["alert_recipients", "backup_recipients"])
def test_every_recipient_must_be_an_address(field: str) -> None:
    sentences = wrong(**{field: ["ops@example.com", "nobody", 7]})
    assert len(sentences[field]) == 2
    assert "'nobody' is not a mail address" in sentences[field][0]
    assert wrong(**{field: ["ops@example.com", "me@müller.example"]}) == {}


def test_a_recipient_with_a_name_is_asked_for_without_it() -> None:
    sentence = "'Ada <ada@example.com>' has a name in it. Enter only the address, such as ops@example.com."
    assert wrong(alert_recipients=["Ada <ada@example.com>"]) == {"alert_recipients": [sentence]}


def test_a_recipient_twice_is_refused_whatever_the_case_of_its_domain() -> None:
    repeated = wrong(alert_recipients=["ops@example.com", "ops@EXAMPLE.com"])
    assert repeated == {"alert_recipients": ["ops@example.com is listed more than once."]}
    assert wrong(alert_recipients=["ops@example.com", "Ops@example.com"]) == {}


def test_fifty_recipients_are_the_most() -> None:
    addresses = [f"ops{number}@example.com" for number in range(51)]
    assert "at most 50" in wrong(alert_recipients=addresses)["alert_recipients"][0]
    assert wrong(alert_recipients=addresses[:50]) == {}


@pytest.mark.parametrize("listed", ["ops@example.com", None, {"a": 1}])
def test_recipients_that_are_no_list_are_refused(listed: object) -> None:
    assert wrong(alert_recipients=listed) == {"alert_recipients": ["Enter a list of mail addresses."]}


def test_several_fields_are_refused_at_once() -> None:
    assert set(wrong(host="a b", port=0, from_address="x")) == {"host", "port", "from_address"}


# --- what nobody sees --------------------------------------------------------------------------------------
def test_characters_that_nobody_sees_are_named(subtests: pytest.Subtests) -> None:
    for password, words in [
        ("s3cret", ""),
        ("s3 cret", ""),
        ("pässwörd €", ""),
        (" s3cret", "begins with a space"),
        ("s3cret ", "ends with a space"),
        ("s3cret\t", "U+0009"),
        ("s3\u00a0cret", "no-break space, U+00A0"),
        ("s3cret\u200b", "zero width space, U+200B"),
        ("\ufeffs3cret", "U+FEFF"),
        ("s3\u202fcret", "U+202F"),
        ("", ""),
    ]:
        with subtests.test(password=password):
            sentence = oddity("The saved password", password)
            assert words in sentence and bool(words) == bool(sentence)
            assert "s3" not in sentence
