"""What mail programs read to set themselves up."""

from __future__ import annotations

import plistlib
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes import autoconfig
from tests.mailboxes.trials import case

ADA, HOST = "ada@example.com", "mail.example.com"
OUTLOOK = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"


def profile(name: str = "Ada", address: str = ADA, **more: Any) -> dict[str, Any]:
    return plistlib.loads(autoconfig.apple_profile(address, name, HOST, **more))  # type: ignore[no-any-return]


def thunderbird(**more: Any) -> ET.Element:
    return ET.fromstring(autoconfig.thunderbird(ADA, HOST, **more))


def test_the_list_has_the_best_of_each_protocol_first() -> None:
    servers = [
        (server.protocol, server.port, server.security)
        for server in autoconfig.servers("Ada@EXAMPLE.com", HOST)
    ]
    assert servers == [
        ("imap", 993, "tls"),
        ("imap", 143, "starttls"),
        ("smtp", 465, "tls"),
        ("smtp", 587, "starttls"),
    ]
    assert {(server.host, server.username) for server in autoconfig.servers("Ada@EXAMPLE.com", HOST)} == {
        (HOST, ADA)
    }


def test_the_port_offset_counts_everywhere() -> None:
    assert [server.port for server in autoconfig.servers(ADA, HOST, 20_000)] == [20993, 20143, 20465, 20587]
    assert [element.text for element in thunderbird(port_offset=20_000).iter("port")] == [
        "20993",
        "20143",
        "20465",
        "20587",
    ]
    account = profile(port_offset=20_000)["PayloadContent"][0]
    assert (account["IncomingMailServerPortNumber"], account["OutgoingMailServerPortNumber"]) == (
        20993,
        20465,
    )


def test_thunderbird_reads_domain_and_servers() -> None:
    root = thunderbird()
    assert (root.tag, root.get("version")) == ("clientConfig", "1.1")
    assert [element.get("id") for element in root.iter("emailProvider")] == ["example.com"]
    for tag, kind in (("incomingServer", "imap"), ("outgoingServer", "smtp")):
        servers = list(root.iter(tag))
        assert [server.get("type") for server in servers] == [kind, kind]
        assert [server.findtext("socketType") for server in servers] == ["SSL", "STARTTLS"]
        assert {server.findtext("hostname") for server in servers} == {HOST}
        assert {server.findtext("username") for server in servers} == {ADA}
        assert {server.findtext("authentication") for server in servers} == {"password-cleartext"}


def test_one_file_serves_every_mailbox_of_a_domain() -> None:
    personal, general = (
        autoconfig.thunderbird(ADA, HOST, 20_000),
        autoconfig.thunderbird_for_all("Example.com", HOST, 20_000),
    )
    assert personal.replace(ADA.encode(), b"%EMAILADDRESS%") == general


def test_for_a_domain_in_another_script_the_file_names_the_form_that_every_program_can_send() -> None:
    usernames = ET.fromstring(autoconfig.thunderbird_for_all("bücher.test", HOST)).iter("username")
    assert {username.text for username in usernames} == {"%EMAILLOCALPART%@xn--bcher-kva.test"}


def test_outlook_reads_the_best_server_of_each_kind() -> None:
    root = ET.fromstring(autoconfig.outlook("Ada@Example.com", HOST, 20_000))
    protocols = [
        {element.tag.partition("}")[2]: element.text for element in protocol}
        for protocol in root.iter(f"{OUTLOOK}Protocol")
    ]
    assert [(protocol["Type"], protocol["Server"], protocol["Port"]) for protocol in protocols] == [
        ("IMAP", HOST, "20993"),
        ("SMTP", HOST, "20465"),
    ]
    assert {(row["SSL"], row["Encryption"], row["LoginName"]) for row in protocols} == {("on", "SSL", ADA)}
    assert root.findtext(f".//{OUTLOOK}Action") == "settings"


def test_a_profile_holds_one_account_and_no_password() -> None:
    settings = profile("Ada Lovelace")
    account = settings["PayloadContent"][0]
    assert (settings["PayloadType"], account["PayloadType"]) == ("Configuration", "com.apple.mail.managed")
    assert (account["EmailAccountName"], account["EmailAddress"]) == ("Ada Lovelace", ADA)
    assert account["IncomingMailServerUseSSL"] is account["OutgoingMailServerUseSSL"] is True
    assert account["OutgoingPasswordSameAsIncomingPassword"] is True
    assert "IncomingPassword" not in account and "OutgoingPassword" not in account


def test_a_profile_that_is_installed_again_replaces_the_first() -> None:
    first, again, other = profile("Ada"), profile("Countess"), profile(address="bob@example.com")
    assert first["PayloadUUID"] == again["PayloadUUID"] != other["PayloadUUID"]
    assert first["PayloadIdentifier"] == again["PayloadIdentifier"] != other["PayloadIdentifier"]
    assert first["PayloadUUID"] != first["PayloadContent"][0]["PayloadUUID"]


def test_another_script_is_shown_and_used_as_a_labels() -> None:
    account = profile(address="jo@MÜNCHEN.example")["PayloadContent"][0]
    assert account["EmailAccountDescription"] == "jo@münchen.example"
    assert account["EmailAddress"] == account["IncomingMailServerUsername"] == "jo@xn--mnchen-3ya.example"


def test_without_a_name_the_address_stands_there() -> None:
    for name in ("", " ", "\n\t", "\x00"):
        with case(name):
            assert profile(name)["PayloadContent"][0]["EmailAccountName"] == ADA


@given(
    st.text(max_size=60)
    | st.sampled_from(["</string><key>x</key>", "&amp;", "]]>", "<!--", "a\nb", "\x00", "\ud800"])
)
def test_no_display_name_becomes_anything_but_a_name(name: str) -> None:
    hostile, plain = profile(name), profile("Ada")
    account = hostile["PayloadContent"][0]
    shown = account.pop("EmailAccountName")
    plain["PayloadContent"][0].pop("EmailAccountName")
    assert hostile == plain
    assert shown == ADA or set(shown) <= set(name) | {" "}
    assert not any(ord(char) < 32 or ord(char) == 127 for char in shown)


def test_what_is_no_address_or_hostname_is_refused() -> None:
    for address, hostname in (
        ("ada", HOST),
        ("<x>@example.com", HOST),
        ("a&b@", HOST),
        ("", HOST),
        (ADA, ""),
        (ADA, "mail"),
        (ADA, "a<b.example"),
    ):
        with case(address, hostname):
            for function in (autoconfig.servers, autoconfig.thunderbird, autoconfig.outlook):
                with pytest.raises(ValueError, match=r"\.$"):
                    function(address, hostname)
            with pytest.raises(ValueError, match=r"\.$"):
                autoconfig.apple_profile(address, "Ada", hostname)


@pytest.mark.parametrize(("domain", "hostname"), [("", HOST), ("a<b.example", HOST), ("example.com", "")])
def test_what_is_no_domain_is_refused(domain: str, hostname: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        autoconfig.thunderbird_for_all(domain, hostname)


def test_what_an_address_may_contain_is_escaped() -> None:
    root = ET.fromstring(autoconfig.thunderbird("o'neil&co@example.com", HOST))
    assert next(root.iter("username")).text == "o'neil&co@example.com"
    assert (
        profile(address="o'neil&co@example.com")["PayloadContent"][0]["EmailAddress"]
        == "o'neil&co@example.com"
    )
