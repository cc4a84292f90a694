"""What the node is, and whose mail it makes of a message."""

from __future__ import annotations

import pytest

from mailrelay.mail import rawmail
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import submission
from quazzar.errors import InvalidEmail, RelayNotConfigured

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


@pytest.mark.parametrize("hostname", ["Node7", "node7.example.com"])
def test_the_first_label_of_the_host_name_means_the_node_and_the_whole_does_not(hostname: str) -> None:
    assert submission.node_names(hostname) == {"localhost", "localhost.localdomain", "node7"}


def test_a_host_without_a_name_adds_none() -> None:
    assert submission.node_names("") == {"localhost", "localhost.localdomain"}


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
