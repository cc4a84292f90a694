"""What the node is, and whose mail it makes of a message."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import transaction

from mailrelay.mail import rawmail
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import submission
from quazzar import hostnames
from quazzar.errors import InvalidEmail, RelayNotConfigured
from quazzar.hostnames import HostNames

pytestmark = pytest.mark.django_db


def test_without_a_relay_there_is_no_node() -> None:
    with pytest.raises(RelayNotConfigured):
        submission.node()
    RelaySettings(pk=1, host="").save()
    with pytest.raises(RelayNotConfigured):
        submission.node()


def test_the_node_is_read_without_opening_the_password(relay: RelaySettings) -> None:
    RelaySettings.objects.update(from_name="Node", alert_recipients=["Ops <ops@Example.com>"])
    node = submission.node()
    assert (node.from_address, node.from_name) == ("node@example.org", "Node")
    assert node.alert_recipients == ("ops@example.com",)


LAN = "node7.lan.example.net"


@pytest.fixture
def node7(relay: RelaySettings, monkeypatch: pytest.MonkeyPatch) -> RelaySettings:
    """The relay of a machine with a full name, whose alerts go to ops."""
    monkeypatch.setattr(hostnames, "current", lambda: HostNames(("node7",), (LAN,)))
    relay.alert_recipients = ["ops@example.com"]
    relay.save()
    return relay


def test_every_name_of_the_machine_means_the_node_and_no_other_name_does(node7: RelaySettings) -> None:
    node = submission.node()
    local = [
        "root",
        "root@localhost",
        "root@LOCALHOST.localdomain.",
        "root@node7",
        f"root@{LAN}",
        f"Root@{LAN.upper()}.",
        "root@[127.0.0.1]",
        "root@[IPv6:::1]",
    ]
    other = ["root@node8.lan.example.net", "root@lan.example.net", "root@node7.example.com", f"a@x.{LAN}"]
    assert [address for address in (*local, *other) if node.is_local(address)] == local


def test_a_name_at_which_people_have_mailboxes_is_not_the_node(
    node7: RelaySettings, subtests: pytest.Subtests
) -> None:
    for field, value in [
        ("from_address", f"Node <node@{LAN.upper()}>"),
        ("alert_recipients", [f"ops@{LAN}"]),
        ("backup_recipients", [f"Ops <ops@{LAN}>"]),
    ]:
        with subtests.test(field), transaction.atomic():
            RelaySettings.objects.update(**{field: value})
            assert not submission.node().is_local(f"alice@{LAN}")
            transaction.set_rollback(True)
    assert submission.node().is_local(f"alice@{LAN}")
    domain = apps.get_model("mailboxes", "Domain").objects.create(name=LAN)
    assert not submission.node().is_local(f"alice@{LAN}")
    assert submission.node().is_local("alice@node7")
    domain.delete()
    assert submission.node().is_local(f"alice@{LAN}")


def test_the_node_stands_in_no_field_of_a_mail_that_leaves(node7: RelaySettings) -> None:
    mail = rawmail.parse(
        f"From: Fail2Ban <fail2ban@{LAN}>, Ann <ann@example.net>\nSender: root <root@{LAN}>\nTo: root\n"
        f"Cc: b@example.net, root@{LAN}\nReply-To: root@{LAN.upper()}\nErrors-To: <root@node7>\n"
        f"Resent-From: root@{LAN}\nResent-Sender: root@{LAN}\nResent-To: root@node7\n"
        f"Disposition-Notification-To: root@localhost\nSubject: root@{LAN}\n\nx\n".encode()
    )
    node = submission.node()
    mail = submission.with_author(submission.with_deliverable_people(mail, node), node)
    assert {field.name: field.text for field in mail.fields} == {
        "from": "Fail2Ban <node@example.org>, Ann <ann@example.net>",
        "sender": "node@example.org",
        "to": "root <ops@example.com>",
        "cc": "b@example.net, root <ops@example.com>",
        "reply-to": "root <ops@example.com>",
        "errors-to": "root <ops@example.com>",
        "resent-from": "node@example.org",
        "resent-to": "root <ops@example.com>",
        "disposition-notification-to": "root <ops@example.com>",
        "subject": f"root@{LAN}",
    }


def test_a_node_without_an_address_of_its_own_writes_from_its_full_name(node7: RelaySettings) -> None:
    RelaySettings.objects.update(from_address="", username="")
    assert submission.node().from_address == f"mail-relay@{LAN}"


def test_the_null_sender_stays_null(relay: RelaySettings) -> None:
    mail = rawmail.parse(b"Subject: bounce\n\nx\n")
    row = submission.submit(
        mail, node=submission.node(), sender="", recipients=["a@example.com"], source="sendmail"
    )
    assert Message.objects.get(pk=row.pk).envelope_sender == ""


def test_too_many_recipients_are_refused_and_repeated_ones_are_not(relay: RelaySettings) -> None:
    mail, node = rawmail.parse(b"Subject: x\n\nx\n"), submission.node()
    submission.submit(
        mail, node=node, sender="a@b.example", recipients=["a@example.com"] * 600, source="sendmail"
    )
    many = [f"box{number}@example.com" for number in range(501)]
    with pytest.raises(InvalidEmail):
        submission.submit(mail, node=node, sender="a@b.example", recipients=many, source="sendmail")
    assert Message.objects.count() == 1
