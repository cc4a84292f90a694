"""Each known failure gets its sentence and its hint; replies.txt has servers' own words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from mailrelay.diagnosis import explain as module
from mailrelay.diagnosis.explain import RULES, Diagnosis
from mailrelay.diagnosis.rules import Facts, hint_of
from quazzar.errors import DeliveryError

KINDS = [
    "dns_not_found",
    "dns_failed",
    "refused",
    "unreachable",
    "timeout_connect",
    "timeout_greeting",
    "timeout",
    "tls_not_offered",
    "tls_wrong_version",
    "cert_self_signed",
    "cert_unknown_ca",
    "cert_expired",
    "cert_hostname",
    "tls_failed",
    "auth_not_offered",
    "auth_mechanism",
    "auth_rejected",
    "password_unreadable",
    "closed",
    "rejected",
    "bad_greeting",
    "smtputf8_not_offered",
    "too_many_recipients",
]
STAGES = ["resolve", "connect", "tls", "auth", "sender", "recipient", "data"]
SES_EU = "email-smtp.eu-west-1.amazonaws.com"


class Relay(SimpleNamespace):
    """The settings that a hint can depend on."""

    provider: str
    host: str
    port: int
    security: str
    username: str


def relay(
    provider: str = "custom",
    host: str = "smtp.example.com",
    port: int = 587,
    security: str = "starttls",
    username: str = "me",
) -> Relay:
    return Relay(provider=provider, host=host, port=port, security=security, username=username)


def explain(
    stage: str,
    kind: str = "rejected",
    reply: str = "",
    where: Relay | None = None,
    message: str = "The sentence of the edge.",
) -> Diagnosis:
    """``reply`` is what the server said, its code first."""
    code = int(reply[:3]) if reply else None
    text = f"The server answered {reply}" if reply else message
    failure = DeliveryError(text, stage=stage, kind=kind, smtp_code=code)
    return module.explain(failure, where or relay())


MAILGUN = relay("mailgun", "smtp.mailgun.org")
SENDGRID = relay("sendgrid", "smtp.sendgrid.net", username="apikey")
SES = relay("ses", SES_EU)
RELAYS = {
    "mailgun": MAILGUN,
    "mailgun-eu": relay("mailgun", "smtp.eu.mailgun.org"),
    "sendgrid": SENDGRID,
    "sendgrid-user": relay("sendgrid", "smtp.sendgrid.net", username="me@example.com"),
    "postmark": relay("postmark", "smtp.postmarkapp.com"),
    "ses": SES,
    "gmail": relay(host="smtp.gmail.com"),
    "microsoft": relay(host="smtp.office365.com"),
    "yahoo": relay(host="smtp.mail.yahoo.com"),
    "icloud": relay(host="smtp.mail.me.com"),
    "fastmail": relay(host="smtp.fastmail.com"),
    "gmx": relay(host="mail.gmx.net"),
    "zoho": relay(host="smtp.zoho.eu"),
    "yandex": relay(host="smtp.yandex.com"),
    "ovh": relay(host="ssl0.ovh.net"),
    "ionos": relay(host="smtp.ionos.de"),
    "strato": relay(host="smtp.strato.de"),
    "port-25": relay(port=25),
    "plain": relay(security="none"),
    "custom": relay(),
}


def replies() -> list[tuple[str, str]]:
    """The cases of replies.txt: what was answered, and a part of the hint."""
    text = (Path(__file__).parent / "replies.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return list(zip(lines[::2], (line.removeprefix("=> ") for line in lines[1::2]), strict=True))


def test_a_servers_words_lead_to_a_remedy(subtests: pytest.Subtests) -> None:
    for answered, hint in replies():
        with subtests.test(answered=answered, hint=hint):
            where, stage, kind, reply = answered.split(" ", 3)
            assert hint in explain(stage, kind, reply, RELAYS[where]).hint


def test_a_failure_without_a_reply_leads_to_a_remedy(subtests: pytest.Subtests) -> None:
    for kind, stage, where, hint in [
        ("dns_not_found", "resolve", relay(host="smtp.exmaple.com"), "Check the spelling of the host"),
        (
            "dns_not_found",
            "resolve",
            relay("mailgun", "smtp.mailgum.org"),
            "Mailgun's host is smtp.mailgun.org",
        ),
        ("dns_not_found", "resolve", relay("ses", "email-smtp.eu-west-9.amazonaws.com"), "Choose the region"),
        ("dns_failed", "resolve", relay(), "/etc/resolv.conf"),
        ("refused", "connect", relay(), "Nothing listens on port 587"),
        ("refused", "connect", relay("postmark", "127.0.0.1"), "Its host is smtp.postmarkapp.com"),
        ("unreachable", "connect", relay(), "route to smtp.example.com"),
        ("timeout_connect", "connect", relay(port=25), "Most ISPs and cloud providers block port 25"),
        ("timeout_connect", "connect", MAILGUN, "2525 with STARTTLS"),
        ("timeout_connect", "connect", SES, "2587 with STARTTLS"),
        ("timeout_connect", "connect", relay(), "blocks port 587"),
        ("timeout_greeting", "connect", relay(), "probably blocks port 587"),
        ("timeout_greeting", "connect", relay(port=25), "block port 25"),
        ("timeout_greeting", "connect", relay(port=465), "Choose Implicit TLS"),
        ("closed", "connect", relay(port=465, security="none"), "Choose Implicit TLS"),
        ("bad_greeting", "connect", relay(port=465), "Choose Implicit TLS"),
        ("closed", "connect", relay(), "hung up immediately"),
        ("closed", "data", relay(), "broke off"),
        ("timeout", "data", relay(), "slow, or the network drops packets"),
        ("bad_greeting", "connect", relay(port=993), "not a mail server"),
        ("tls_not_offered", "tls", relay(), "Implicit TLS. Choose None only"),
        ("tls_not_offered", "tls", MAILGUN, "Something between this node and the relay removes STARTTLS"),
        ("tls_wrong_version", "tls", relay(security="tls"), "Port 587 starts in plain text. Choose STARTTLS"),
        ("timeout", "tls", relay(security="tls"), "Port 587 starts in plain text. Choose STARTTLS"),
        (
            "tls_wrong_version",
            "tls",
            relay(port=2500, security="tls"),
            "On port 2500 the server starts in plain text",
        ),
        ("tls_wrong_version", "tls", relay(), "agreed to STARTTLS but then did not speak TLS"),
        ("tls_failed", "tls", relay(), "TLS older than 1.2"),
        ("cert_self_signed", "tls", relay(), "update-ca-certificates"),
        ("cert_self_signed", "tls", SENDGRID, "not SendGrid's own certificate"),
        ("cert_self_signed", "tls", relay("sendgrid", "192.0.2.1"), "update-ca-certificates"),
        ("cert_unknown_ca", "tls", relay(), "intermediate certificates"),
        ("cert_hostname", "tls", relay(), "openssl s_client -connect smtp.example.com:587"),
        ("cert_hostname", "tls", relay(host="192.0.2.1"), "rarely contain IP addresses"),
        ("cert_hostname", "tls", relay(host="2001:db8::1"), "rarely contain IP addresses"),
        ("cert_expired", "tls", relay(), "this node's clock"),
        ("auth_not_offered", "auth", relay(security="none"), "sign-in only over TLS"),
        ("auth_not_offered", "auth", relay(port=25), "Port 25 is for mail between servers"),
        ("auth_not_offered", "auth", relay(), "leave the username empty"),
        ("password_unreadable", "auth", relay(), "type the password again"),
        ("smtputf8_not_offered", "sender", relay(), "SMTPUTF8"),
    ]:
        with subtests.test(kind=kind, stage=stage, where=where, hint=hint):
            assert hint in explain(stage, kind, "", where).hint


def test_a_server_that_offers_only_oauth_is_recognised() -> None:
    diagnosis = explain("auth", "auth_not_offered", message="The server offers no login (it offers XOAUTH2).")
    assert "OAuth" in diagnosis.hint


def test_a_reply_is_shown_with_what_it_answers(subtests: pytest.Subtests) -> None:
    for stage, kind, reply, message in [
        (
            "auth",
            "auth_rejected",
            "535 5.7.8 no",
            "The server did not accept the username and password: 535 5.7.8 no",
        ),
        ("sender", "rejected", "550 5.7.1 no", "The server refused the sender: 550 5.7.1 no"),
        (
            "recipient",
            "rejected",
            "450 4.2.0 wait",
            "The server refused the recipient for now: 450 4.2.0 wait",
        ),
        ("data", "rejected", "554 no", "The server refused the mail: 554 no"),
        ("connect", "rejected", "554 no", "The server rejected the connection: 554 no"),
    ]:
        with subtests.test(stage=stage, kind=kind, reply=reply, message=message):
            assert explain(stage, kind, reply).message == message


def test_a_login_that_nobody_looked_at_is_not_called_a_wrong_password(subtests: pytest.Subtests) -> None:
    for reply in [
        "454 4.7.0 Temporary authentication failure",
        "421 4.7.0 Too many errors",
        "530 5.7.0 Must issue a STARTTLS command first",
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
        "535 5.7.8 Account locked",
        "550 No",
    ]:
        with subtests.test(reply):
            diagnosis = explain("auth", "auth_rejected", reply)
            assert diagnosis.message.startswith("The server refused the sign-in")
            assert "Enter username" not in diagnosis.hint


def test_the_edges_own_sentence_stays() -> None:
    assert explain("connect", "refused", message="Nothing listens there.").message == "Nothing listens there."


def test_a_long_reply_is_cut() -> None:
    assert len(explain("data", reply="554 " + "x" * 5000).message) == 500


def test_every_kind_has_a_hint_at_every_stage(subtests: pytest.Subtests) -> None:
    for stage in STAGES:
        for kind in KINDS:
            with subtests.test(stage=stage, kind=kind):
                assert explain(stage, kind).hint
                assert explain(stage, kind, "421 closing").hint


def test_every_rule_can_be_written_out() -> None:
    facts = SimpleNamespace(**{"words": Facts("data", "x", 1, "", "ses", "h", 1, "tls", "u").words})
    for rule in RULES:
        assert rule.hint.format_map(facts.words()).strip().endswith(".")


def test_braces_in_settings_are_only_text() -> None:
    assert "{port}" in explain("connect", "unreachable", where=relay(host="{port}")).hint


def test_an_ip_address_is_not_a_status() -> None:
    diagnosis = explain("data", reply="550 host 10.5.1.1 or 5.1.1.7 said no")
    assert "mailbox" not in diagnosis.hint


def test_the_host_says_more_about_the_provider_than_the_preset() -> None:
    reply = "535 Authentication failed"
    assert "Mailgun" not in explain("auth", "auth_rejected", reply, relay("mailgun", SES_EU)).hint
    assert "apikey" in explain("auth", "auth_rejected", reply, relay("sendgrid", "127.0.0.1")).hint
    assert "apikey" not in explain("auth", "auth_rejected", reply, relay(host="notsendgrid.net")).hint


def test_no_rule_no_hint() -> None:
    assert hint_of((), Facts("data", "x", None, "", "", "", 1, "", "")) == ""
