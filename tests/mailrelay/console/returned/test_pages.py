"""The pages about mail that came back: inboxes, the suppression list, and what a message's page shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from mailrelay.feedback import recording
from mailrelay.inbox import owned, settings
from mailrelay.models import Inbox, Message, RelaySettings, Suppression
from mailrelay.suppression import listing
from quazzar.access.roles import ROLES
from tests.mailboxes import factories
from tests.mailrelay.feedback.test_recording import bounce, sent
from tests.rig import or_skip
from tests.rig.dovecot import RealDovecot

pytestmark = pytest.mark.django_db
PAGE, LIST = "/admin/returned/", "/admin/suppressions/"
FORM = {
    "host": "imap.example.com",
    "security": "tls",
    "username": "b@example.com",
    "folder": "INBOX",
    "after": "seen",
}


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def viewer(client: Client, operator: User) -> Client:
    """Sees everything and changes nothing."""
    operator.is_superuser = False
    operator.save()
    operator.groups.set([Group.objects.get(name=ROLES[-1].name)])
    client.force_login(operator)
    return client


@pytest.fixture
def server() -> Iterator[RealDovecot]:
    with or_skip(RealDovecot) as dovecot:
        yield dovecot


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_an_inbox_is_added_and_read_at_once(
    console: Client, server: RealDovecot, relay: RelaySettings
) -> None:
    message = sent("anna@example.com")
    server.deliver(bounce())
    form = {**FORM, "host": "127.0.0.1", "port": server.port, "security": "none", "enabled": "on"}
    answer = console.post(
        f"{PAGE}inbox/add/", {**form, "username": server.username, "password": server.password}, follow=True
    )
    assert "was read: 1 new report." in text(answer)
    assert message.feedback.count() == 1


def test_what_is_wrong_is_said_at_its_field_and_the_password_is_never_shown(console: Client) -> None:
    answer = console.post(f"{PAGE}inbox/add/", {**FORM, "host": "no host", "password": "s3cret"})
    assert answer.status_code == 200
    assert "Enter a host name, such as imap.example.com" in text(answer)
    assert "s3cret" not in text(answer)
    assert not Inbox.objects.exists()


def test_a_saved_password_is_kept_when_the_field_is_empty(console: Client) -> None:
    row = settings.add({**FORM, "password": "s3cret"})
    console.post(f"{PAGE}inbox/{row.pk}/", {**FORM, "port": "993", "folder": "Bounces", "password": ""})
    row.refresh_from_db()
    assert (row.folder, row.enabled) == ("Bounces", False)
    assert row.password is not None
    assert row.password.reveal() == "s3cret"


def test_an_inbox_that_cannot_be_read_says_why(console: Client) -> None:
    settings.add({**FORM, "password": "x"})
    Inbox.objects.update(last_error={"message": "Nothing listens there.", "hint": "Check it.", "since": "x"})
    assert "Cannot be read" in text(console.get(PAGE))
    assert "Nothing listens there. Check it." in text(console.get(PAGE))


def test_an_inbox_is_removed(console: Client) -> None:
    row = settings.add({**FORM, "password": "x"})
    assert "is no longer read" in text(console.post(f"{PAGE}inbox/{row.pk}/remove/", follow=True))
    assert not Inbox.objects.exists()


@pytest.mark.parametrize(
    ("relay_values", "said"),
    [
        ({}, "Bounces go to the sender of each mail"),
        ({"bounce_address": "bounces@example.org"}, "Each mail has its own signed envelope sender"),
        ({"provider": "mailgun", "host": "smtp.mailgun.org"}, "Mailgun replaces the envelope sender"),
        ({"host": "smtp.gmail.com"}, "smtp.gmail.com replaces the envelope sender"),
    ],
)
def test_the_page_says_where_bounces_go(
    console: Client, relay: RelaySettings, relay_values: dict[str, str], said: str
) -> None:
    RelaySettings.objects.update(**relay_values)
    assert said in text(console.get(PAGE))


def test_quazzars_own_inbox_is_marked_and_has_no_form(console: Client) -> None:
    owned.keep("quazzar@mail.example.com", host="127.0.0.1", port=993, certificates=[], password="x")
    row = Inbox.objects.get()
    shown = text(console.get(PAGE))
    assert "Quazzar's own mailbox on the mail server" in shown
    assert f'/inbox/{row.pk}/"' not in shown
    assert console.get(f"{PAGE}inbox/{row.pk}/").status_code == 404
    assert console.post(f"{PAGE}inbox/{row.pk}/remove/").status_code == 404
    assert Inbox.objects.exists()


def test_one_press_sends_bounces_to_the_own_mailbox(
    console: Client, relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = owned.Addresses(["bounces@example.com"], ["dmarc@example.com"])
    monkeypatch.setattr(owned, "_addresses", lambda: ours)
    RelaySettings.objects.update(from_address="node@Example.com")
    shown = text(console.get(PAGE))
    assert "Send bounces to bounces@example.com" in shown
    assert "dmarc@" in shown  # the rest may be on another line
    console.post(f"{PAGE}own-bounces/")
    assert RelaySettings.load().bounce_address == "bounces@example.com"
    assert "Send bounces to" not in text(console.get(PAGE))


def test_a_relay_that_is_this_mail_server_lets_a_mailbox_send_from_itself_only(
    console: Client, relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owned, "_addresses", lambda: owned.Addresses(["bounces@example.com"]))
    factories.mailbox("node@example.com")
    RelaySettings.objects.update(from_address="alerts@example.com", username="Node@example.com")
    assert "Send bounces to" not in text(console.get(PAGE))
    console.post(f"{PAGE}own-bounces/")
    assert RelaySettings.load().bounce_address == ""
    RelaySettings.objects.update(from_address="node@example.com")
    assert "Send bounces to bounces@example.com" in text(console.get(PAGE))


def test_nothing_is_set_for_a_domain_whose_mail_goes_elsewhere(console: Client, relay: RelaySettings) -> None:
    answer = console.post(f"{PAGE}own-bounces/", follow=True)
    assert "gets no bounces in the domain of the from address" in text(answer)
    assert RelaySettings.load().bounce_address == ""


def test_an_address_is_suppressed_found_and_removed(console: Client) -> None:
    console.post(f"{LIST}add/", {"address": "Anna@example.com", "note": "asked for it"})
    listing.add("bob@example.net")
    shown = text(console.get(LIST, {"q": "anna"}))
    assert "anna@example.com" in shown
    assert "asked for it" in shown
    assert "bob@example.net" not in shown
    row = Suppression.objects.get(address="anna@example.com")
    assert "gets mail again" in text(console.post(f"{LIST}{row.pk}/remove/", follow=True))


def test_an_address_that_is_listed_already_is_said_so(console: Client) -> None:
    listing.add("anna@example.com")
    answer = console.post(f"{LIST}add/", {"address": "anna@example.com"})
    assert "on the suppression list already" in text(answer)


def test_the_list_has_pages(console: Client) -> None:
    Suppression.objects.bulk_create(
        Suppression(address=f"box{number}@example.com", reason="manual") for number in range(120)
    )
    first = text(console.get(LIST))
    assert "box119@" in first
    assert "box19@" not in first
    oldest = Suppression.objects.order_by("-pk")[99].pk
    assert "box19@" in text(console.get(LIST, {"before": oldest}))


def test_the_bounce_behind_an_address_is_shown(console: Client, relay: RelaySettings) -> None:
    sent("anna@example.com")
    recording.read_mail(bounce())
    row = Suppression.objects.get()
    shown = text(console.get(f"{LIST}{row.pk}/"))
    assert "Hard bounce" in shown
    assert "sorry to have to inform you" in shown


def test_who_may_only_look_changes_nothing(viewer: Client) -> None:
    row = listing.add("anna@example.com")
    inbox = settings.add({**FORM, "password": "x"})
    assert viewer.get(LIST).status_code == 200
    assert "Remove" not in text(viewer.get(LIST))
    for address in (
        f"{LIST}{row.pk}/remove/",
        f"{LIST}add/",
        f"{PAGE}inbox/{inbox.pk}/remove/",
        f"{PAGE}inbox/add/",
    ):
        assert viewer.post(address, {"address": "eve@example.com"}).status_code == 403
    assert Suppression.objects.count() == Inbox.objects.count() == 1


def test_the_report_is_for_those_who_may_read_messages(viewer: Client, relay: RelaySettings) -> None:
    sent("anna@example.com")
    recording.read_mail(bounce())
    shown = text(viewer.get(f"{LIST}{Suppression.objects.get().pk}/"))
    assert "Hard bounce" in shown
    assert "sorry to have to inform you" not in shown


def test_a_messages_page_tells_the_bounce(console: Client, relay: RelaySettings) -> None:
    message = sent("anna@example.com")
    recording.read_mail(bounce("postfix-delayed"))
    recording.read_mail(bounce())
    shown = text(console.get(f"/admin/mailrelay/message/{message.pk}/change/"))
    assert "Bounced permanently" in shown
    assert "Recipient address rejected: User unknown" in shown
    assert "by mail.example.com, delivery report from mx.example.net, matched by its Message-ID" in shown
    assert shown.index("Bounced permanently") < shown.index("Delayed")


def test_the_tab_of_bounced_messages_has_them_alone(console: Client, relay: RelaySettings) -> None:
    bad = sent("anna@example.com")
    Message.objects.create(message_id="<good@x>", subject="All is well", status="sent")
    recording.read_mail(bounce())
    shown = text(console.get("/admin/mailrelay/message/", {"tab": "bounced"}))
    assert f"message-{bad.pk}" in shown
    assert "All is well" not in shown
    assert 'q-bad">' in shown
    assert f"message-{bad.pk}" in text(
        console.get("/admin/mailrelay/message/", {"tab": "bounced", "q": "disk"})
    )


def test_the_filters_of_the_stored_feedback_are_called_as_its_columns(console: Client) -> None:
    page = text(console.get("/admin/mailrelay/feedback/"))
    assert "Address is dead" in page and "Hard" not in page
