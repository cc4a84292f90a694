"""The Relay settings tab: what it shows, what it saves, and who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from mailrelay.models import RelaySettings
from mailrelay.relay.presets import PRESETS
from quazzar.models import AuditEntry
from tests.markup import html

PAGE = "/admin/mail-relay/"
MAILGUN = {
    "provider": "mailgun",
    "host": "smtp.mailgun.org",
    "port": "587",
    "security": "starttls",
    "username": "postmaster@mg.example.com",
    "password": "hush-hush",
    "from_address": "alerts@example.com",
    "from_name": "Node",
    "alert_recipients": "ops@example.com\nnight@example.com",
    "backup_recipients": "",
    "filled": "yes",
}


@pytest.fixture
def console(client: Client, operator: User, rings: list[str]) -> Client:
    client.force_login(operator)
    return client


def save(console: Client, **changes: str) -> Any:
    return console.post(PAGE, {**MAILGUN, **changes})


def grant(user: User, *codenames: str) -> None:
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))


def test_a_fresh_node_says_that_alerts_are_only_logged(console: Client) -> None:
    page = html(console.get(PAGE))
    assert "No relay yet. Alerts are written to the log, not mailed." in page
    assert "Save a relay first." in page


def test_every_provider_can_be_chosen(console: Client) -> None:
    page = html(console.get(PAGE))
    for preset in PRESETS:
        assert f'type="radio" name="provider" value="{preset.id}"' in page


@pytest.mark.slow
def test_saving_stores_the_settings_and_says_where_mail_goes(console: Client) -> None:
    answer = save(console)
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    row = RelaySettings.load()
    assert row.password is not None
    assert (row.host, row.port, row.password.reveal()) == ("smtp.mailgun.org", 587, "hush-hush")
    assert row.alert_recipients == ["ops@example.com", "night@example.com"]
    assert "Mail goes through smtp.mailgun.org:587 as alerts@example.com." in html(console.get(PAGE))


def test_recipients_can_be_separated_by_commas(console: Client) -> None:
    save(console, backup_recipients="a@example.com, b@example.com;c@example.com")
    assert RelaySettings.load().backup_recipients == ["a@example.com", "b@example.com", "c@example.com"]


def test_the_audit_log_names_the_fields_and_never_a_value(console: Client) -> None:
    save(console)
    entry = AuditEntry.objects.get(action="relay.changed")
    assert (entry.actor, "password" in entry.fields) == ("user:operator", True)
    assert "hush-hush" not in str(entry.fields)


# --- the password


def test_a_saved_password_is_never_in_the_page(console: Client) -> None:
    save(console)
    page = html(console.get(PAGE))
    assert "hush-hush" not in page
    assert "Saved. Leave this empty to keep it." in page


def test_an_empty_password_keeps_the_saved_one(console: Client) -> None:
    save(console)
    save(console, password="", from_name="Another name")
    row = RelaySettings.load()
    assert row.password is not None
    assert (row.from_name, row.password.reveal()) == ("Another name", "hush-hush")


@pytest.mark.slow
def test_another_username_asks_for_the_password_again(console: Client) -> None:
    save(console)
    page = html(save(console, password="", username="another@mg.example.com"))
    assert "Enter the password for this one" in page and "another@mg.example.com" in page
    assert RelaySettings.load().username != "another@mg.example.com"


def test_the_box_removes_the_password(console: Client) -> None:
    save(console)
    save(console, password="", **{"password-remove": "on"})
    assert RelaySettings.load().password_state == "none"


def test_an_unreadable_password_is_asked_for_again(console: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    save(console)
    monkeypatch.setattr("quazzar.sealing.keyring.existing", lambda: None)
    page = html(console.get(PAGE))
    assert "The relay password is unreadable" in page
    assert "Enter the password again" in page


# --- what is wrong


def test_errors_stand_beside_their_fields_and_nothing_typed_is_lost(console: Client) -> None:
    answer = save(
        console, host="https://mail.example.com/", port="465", alert_recipients="ops@example.com, foo"
    )
    page = html(answer)
    assert "The host must be a name, not a URL" in page
    assert "Port 465 uses TLS from the first byte" in page
    assert "https://mail.example.com/" in page
    assert "ops@example.com, foo" in page
    assert not RelaySettings.load().configured


def test_a_form_that_is_shown_again_does_not_hold_the_password(console: Client) -> None:
    page = html(save(console, from_address="nobody"))
    assert "hush-hush" not in page
    assert "type the password again" in page


def test_a_port_that_is_no_number_is_said_in_a_sentence(console: Client) -> None:
    assert "The port must be a whole number from 1 to 65535" in html(save(console, port="mail"))


def test_what_is_typed_is_escaped(console: Client) -> None:
    page = html(save(console, host='"><script>alert(1)</script>'))
    assert "<script>alert(1)" not in page


# --- without the page's script


def test_without_a_script_another_provider_brings_its_host(console: Client) -> None:
    save(console)
    save(console, provider="sendgrid", filled="")
    assert RelaySettings.load().host == "smtp.sendgrid.net"


def test_without_a_script_another_region_brings_its_host(console: Client) -> None:
    save(console)
    save(console, filled="", region_mailgun="smtp.eu.mailgun.org")
    assert RelaySettings.load().host == "smtp.eu.mailgun.org"


def test_a_script_that_filled_the_fields_has_the_last_word(console: Client) -> None:
    save(console)
    save(console, provider="ses", host="vpce.example.com")
    assert RelaySettings.load().host == "vpce.example.com"


def test_an_empty_host_of_a_preset_is_filled_in(console: Client) -> None:
    save(console, provider="postmark", host="", port="")
    row = RelaySettings.load()
    assert (row.host, row.port) == ("smtp.postmarkapp.com", 587)


# --- removing


def test_the_relay_can_be_removed(console: Client) -> None:
    save(console)
    console.post(reverse("admin:mail_relay_remove"))
    assert not RelaySettings.load().configured


def test_reading_an_address_never_removes_or_tests(console: Client) -> None:
    save(console)
    for name in ("mail_relay_remove", "mail_relay_test", "mail_relay_license"):
        assert console.get(reverse(f"admin:{name}"))["Location"] == PAGE
    assert RelaySettings.load().configured


# --- who may


def test_a_stranger_is_asked_to_sign_in(client: Client, db: None) -> None:
    assert client.get(PAGE)["Location"].startswith("/admin/login/")


def test_staff_need_the_permission(client: Client, other_staff: User) -> None:
    client.force_login(other_staff)
    assert client.get(PAGE).status_code == 403
    grant(other_staff, "view_relaysettings")
    assert client.get(PAGE).status_code == 200


def test_who_may_only_look_can_neither_save_nor_test(client: Client, other_staff: User) -> None:
    grant(other_staff, "view_relaysettings")
    client.force_login(other_staff)
    page = html(client.get(PAGE))
    assert "Save settings" not in page
    assert "Send test mail" not in page
    assert save(client).status_code == 403
    assert client.post(reverse("admin:mail_relay_test"), {"to": "a@example.com"}).status_code == 403
    assert not RelaySettings.load().configured


def test_a_form_without_its_token_is_refused(operator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert save(client).status_code == 403
    assert not RelaySettings.load().configured


def test_the_page_takes_few_queries(console: Client, django_assert_max_num_queries: Any) -> None:
    save(console)
    with django_assert_max_num_queries(13):
        console.get(PAGE)
