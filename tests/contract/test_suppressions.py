"""/api/mail/suppressions and /{id}; what came back in /api/mail/messages/{id}."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from mailrelay.feedback import recording
from mailrelay.models import RelaySettings, Suppression
from tests.contract.answers import error, ok, wrong
from tests.mailrelay.feedback.test_recording import bounce, sent

pytestmark = pytest.mark.django_db
SUPPRESSIONS = "/api/mail/suppressions"
KEYS = {"id", "address", "reason", "said", "message", "skipped", "created_at"}


def test_an_address_is_suppressed_by_hand(api: APIClient) -> None:
    made = ok(api.post(SUPPRESSIONS, {"address": "Anna@Example.com", "said": "asked for it"}), 201)
    assert made.keys() == KEYS
    assert (made["address"], made["reason"], made["said"]) == ("anna@example.com", "manual", "asked for it")
    assert ok(api.get(f"{SUPPRESSIONS}/{made['id']}")) == made


def test_an_address_is_suppressed_once(api: APIClient) -> None:
    ok(api.post(SUPPRESSIONS, {"address": "anna@example.com"}), 201)
    error(api.post(SUPPRESSIONS, {"address": "anna@example.com"}), 409, "already_exists")


@pytest.mark.parametrize("body", [{}, {"address": ""}, {"address": "anna"}, {"address": 5}])
def test_what_is_no_address_is_refused(api: APIClient, body: dict[str, object]) -> None:
    assert wrong(api.post(SUPPRESSIONS, body)).keys() == {"address"}


def test_a_bounce_is_in_the_list_and_in_its_message(api: APIClient, relay: RelaySettings) -> None:
    message = sent("anna@example.com")
    recording.read_mail(bounce())
    (row,) = ok(api.get(SUPPRESSIONS, {"reason": "bounced", "search": "anna"}))["results"]
    assert (row["message"], row["said"][:3]) == (message.pk, "550")
    (told,) = ok(api.get(f"/api/mail/messages/{message.pk}"))["feedback"]
    assert told.keys() == {
        "recipient", "kind", "hard", "status", "code", "said", "host", "source", "reporter", "at",
    }  # fmt: skip
    assert (told["recipient"], told["kind"], told["hard"]) == ("anna@example.com", "bounced", True)


def test_what_is_removed_is_gone(api: APIClient) -> None:
    row = Suppression.objects.create(address="anna@example.com", reason="manual")
    assert api.delete(f"{SUPPRESSIONS}/{row.pk}").status_code == 204
    error(api.get(f"{SUPPRESSIONS}/{row.pk}"), 404, "not_found")
