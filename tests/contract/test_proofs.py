"""/api/mail/proofs, /{id}, /{id}/headers and /schedule."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from dnsrecords.models import Proof, ProofSchedule
from mailrelay.models import Inbox, Message, RelaySettings
from tests.contract.answers import error, ok, wrong

pytestmark = pytest.mark.django_db
PROOFS, SCHEDULE = "/api/mail/proofs", "/api/mail/proofs/schedule"
KEYS = {
    "id", "state", "way", "through_relay", "from_address", "inbox", "to", "scheduled", "found", "sentence", "message",
    "message_id", "created_at", "sent_at", "arrived_at", "finished_at",
}  # fmt: skip


@pytest.fixture
def inbox(relay: RelaySettings) -> Inbox:
    return Inbox.objects.create(host="imap.example.net", username="proofs@example.net")


def test_a_proof_is_a_message_of_the_queue_with_a_number_in_its_header(
    api: APIClient, relay: RelaySettings
) -> None:
    made = ok(api.post(PROOFS, {"way": "relay", "to": "anna@example.com"}), 201)
    assert made.keys() == KEYS
    assert (made["state"], made["from_address"], made["inbox"]) == ("underway", "node@example.org", None)
    message = Message.objects.get(pk=made["message"])
    assert (message.source, message.message_id, message.only_recipient) == (
        "test",
        made["message_id"],
        "anna@example.com",
    )
    assert Proof.objects.get().nonce.encode() in bytes(message.body.reveal())  # type: ignore[union-attr]


def test_one_proof_shows_what_is_behind_and_ahead(api: APIClient, relay: RelaySettings) -> None:
    made = ok(api.post(PROOFS, {"way": "relay", "to": "anna@example.com"}), 201)
    shown = ok(api.get(f"{PROOFS}/{made['id']}"))
    assert shown.keys() == KEYS | {"advice", "seconds", "stations"}
    assert [station["key"] for station in shown["stations"]] == [
        "node",
        "sender",
        "door",
        "identity",
        "mailbox",
    ]
    assert [station["mark"] for station in shown["stations"]] == [
        "ok",
        "pending",
        "pending",
        "pending",
        "pending",
    ]
    (listed,) = ok(api.get(PROOFS))["results"]
    assert listed == made


def test_an_inbox_has_the_mail_sent_to_its_own_address(api: APIClient, inbox: Inbox) -> None:
    made = ok(api.post(PROOFS, {"way": "relay", "inbox": inbox.pk}), 201)
    assert (made["to"], made["inbox"]) == ("proofs@example.net", inbox.pk)
    by_address = ok(api.post(PROOFS, {"way": "relay", "to": "Proofs@example.net"}), 201)
    assert by_address["inbox"] == inbox.pk, "the inbox is found by its address"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "way"),
        ({"way": "relay"}, "to"),
        ({"way": "relay", "to": "anna"}, "to"),
        ({"way": "relay", "to": "a@b.example\nBcc: c@d.example"}, "to"),
        ({"way": "relay", "to": "anna@example.com", "from_address": "me"}, "from_address"),
        ({"way": "relay", "inbox": 77}, "inbox"),
        ({"way": "server", "to": "anna@example.com"}, "way"),
        ({"way": "post", "to": "anna@example.com"}, "way"),
        ({"way": "relay", "to": "anna@example.com", "colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_sent_is_refused(
    api: APIClient, relay: RelaySettings, body: dict[str, object], field: str
) -> None:
    assert wrong(api.post(PROOFS, body)).keys() == {field}
    assert not Proof.objects.exists() and not Message.objects.exists()


def test_without_a_relay_that_way_is_refused_with_what_to_do(api: APIClient) -> None:
    found = wrong(api.post(PROOFS, {"way": "relay", "to": "anna@example.com"}))
    assert found == {"way": ["No relay is set up. Enter one in the relay settings."]}


def test_only_a_few_proofs_are_open_at_once(api: APIClient, relay: RelaySettings) -> None:
    for _ in range(20):
        ok(api.post(PROOFS, {"way": "relay", "to": "anna@example.com"}), 201)
    assert (
        "20 proofs are under way"
        in wrong(api.post(PROOFS, {"way": "relay", "to": "anna@example.com"}))["to"][0]
    )


def test_a_header_that_belongs_to_the_proof_is_taken(api: APIClient, relay: RelaySettings) -> None:
    made = ok(api.post(PROOFS, {"way": "relay", "to": "anna@example.com"}), 201)
    trace = "Received: from a ([192.0.2.1]) by b with ESMTP id 1; Mon, 30 Nov 2026 10:00:00 +0000"
    path = f"{PROOFS}/{made['id']}/headers"
    taken = ok(api.post(path, {"headers": f"{trace}\nMessage-ID: {made['message_id']}\n"}))
    assert (taken["state"], taken["found"]) == ("arrived", "pasted")
    for text in (
        "",
        "Hello Anna",
        f"{trace}\nMessage-ID: <other@example.org>",
        f"Message-ID: {made['message_id']}",
    ):
        assert wrong(api.post(path, {"headers": text})).keys() == {"headers"}
    error(api.post(f"{PROOFS}/999/headers", {"headers": "x"}), 404, "not_found")


def test_the_schedule_is_kept_and_sends_at_once(api: APIClient, inbox: Inbox) -> None:
    assert ok(api.get(SCHEDULE))["every"] == "off"
    saved = ok(api.put(SCHEDULE, {"every": "day", "way": "relay", "inbox": inbox.pk}))
    assert (saved["every"], saved["inbox"], saved["trouble"]) == ("day", inbox.pk, "")
    assert ProofSchedule.load().due_at is not None
    assert ok(api.put(SCHEDULE, {"every": "off"}))["due_at"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"every": "hour"}, "every"),
        ({"every": "day"}, "inbox"),
        ({"every": "day", "inbox": 77}, "inbox"),
        ({"every": "day", "way": "server", "inbox": 1}, "way"),
    ],
)
def test_a_schedule_that_could_prove_nothing_is_refused(
    api: APIClient, relay: RelaySettings, body: dict[str, object], field: str
) -> None:
    assert field in wrong(api.put(SCHEDULE, body))
    assert ProofSchedule.load().every == "off"
