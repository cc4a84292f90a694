"""Events become journeys: on the recorded lines, in whatever batches and order they come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from django.db import transaction

from mailboxes.maillog.daemons.event import Event, Kind
from mailboxes.maillog.filing import Filer, store
from mailboxes.maillog.story import steps
from mailboxes.models import Journey, JourneyKey, MailEvent
from mailrelay.models import Message, Suppression
from tests.mailboxes.maillog import records

pytestmark = pytest.mark.django_db
Known = tuple[str, str, str, tuple[str, ...]]


def of(key: str) -> Journey:
    """The newest journey with this key."""
    return Journey.objects.filter(keys__key=key).latest("id")


def kinds(journey: Journey) -> list[str]:
    return [event.kind for event in journey.events.all()]


def found() -> list[Known]:
    """Every journey, without its number."""
    rows = Journey.objects.order_by("began_at", "message_id", "sender")
    return [(row.state, row.message_id, row.sender, tuple(sorted(kinds(row)))) for row in rows]


def test_the_recorded_mails_each_have_their_journey() -> None:
    store(records.events())
    ordinary = of("q:0BB3317E1B5")
    assert (ordinary.state, ordinary.sender, ordinary.recipients) == (
        "delivered",
        "someone@outside.test",
        ["bob@rec.test"],
    )
    # Docker got Dovecot's line a little after Postfix's.
    assert kinds(ordinary) == [Kind.ACCEPTED, Kind.SCANNED, Kind.QUEUED, Kind.DELIVERED, Kind.FILED]
    assert of("m:<179602231395.8658.18128612269156916550@client.test>") == ordinary
    assert ordinary.score == 3.69 and ordinary.size == 518 and not ordinary.spam
    junk = of("q:9DC8F17E1B5")
    assert junk.spam and junk.state == "delivered"
    spam = of("q:99A6117E356")
    assert (spam.state, spam.facts["whole"]) == ("refused", Kind.REFUSED)
    unknown = Journey.objects.get(keys__key="nobody@rec.test", state="refused")
    assert (unknown.recipients, kinds(unknown)) == (["nobody@rec.test"], [Kind.REFUSED])
    everyone = of("q:78EC517E1B5")
    assert sorted(everyone.recipients) == ["alice@rec.test", "bob@rec.test", "sales@rec.test"]
    assert of("q:342BE17E4A5").state == "deleted" and of("q:0A0C817E359").state == "waiting"
    assert of("käthe@rec.test").state == "refused"
    assert of("two words@far.test").state == "delivered"
    assert of("bob@rec.test").pk and JourneyKey.objects.filter(key="bob+tag@rec.test").exists()


def test_a_bounce_is_part_of_the_mail_that_bounced() -> None:
    store(records.events())
    bounced = of("q:1E89A17E585")
    assert bounced.state == "bounced" and bounced.recipients == ["nobody@hard.test"]
    assert of("q:24DAD17E5A4") == bounced
    assert kinds(bounced)[-1] == Kind.DELIVERED  # of the report, to the sender
    assert Kind.REPORTED in kinds(bounced)


def test_a_mail_that_was_put_into_the_queue_again_goes_on() -> None:
    store(records.events())
    mixed = of("q:62E4217E534")
    assert of("q:4jdFRB5xKlzCmqW") == mixed
    assert mixed.state == "waiting"
    assert mixed.facts["outcomes"] == {
        "friend@far.test": Kind.DELIVERED, "bob@rec.test": Kind.DELIVERED, "grey@greylist.test": Kind.DEFERRED,
    }  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 40])
def test_batches_of_any_size_give_the_same_journeys(size: int) -> None:
    events = records.events()
    store(events)
    whole = found()
    Journey.objects.all().delete()
    filer = Filer()
    for batch in _batched(events, size):
        with transaction.atomic():
            filer.file(batch)
    assert found() == whole


def test_a_new_filer_after_each_batch_gives_the_same_mails() -> None:
    """As after a worker that was killed: only what is counted by the hour begins anew."""
    events = records.events()
    store(events)
    whole = [row for row in found() if row[1]]
    Journey.objects.all().delete()
    for batch in _batched(events, 5):
        store(batch)
    assert [row for row in found() if row[1]] == whole


def _batched(events: list[tuple[datetime, Event]], size: int) -> list[list[tuple[datetime, Event]]]:
    return [events[start : start + size] for start in range(0, len(events), size)]


def mail(
    queue_id: str, message_id: str, to: str = "bob@x.test", second: int = 0
) -> list[tuple[datetime, Event]]:
    """A mail that comes in and is delivered."""
    said = [
        Event("postfix", Kind.ACCEPTED, queue_id, client="192.0.2.1"),
        Event("postfix", Kind.IDENTIFIED, queue_id, message_id=message_id),
        Event("postfix", Kind.QUEUED, queue_id, sender="a@b.test", data={"size": 1, "recipients": 1}),
        Event("postfix", Kind.DELIVERED, queue_id, recipients=(to,)),
        Event("postfix", Kind.REMOVED, queue_id),
    ]
    return [(records.at(second), event) for event in said]


def test_dovecot_may_be_read_before_postfix() -> None:
    filed = Event("dovecot", Kind.FILED, message_id="<1@x>", recipients=("bob@x.test",), remote="INBOX")
    filer = Filer()
    with transaction.atomic():
        filer.file([(records.at(), filed)])
        filer.file(mail("A1B2C3D4", "<1@x>", second=1))
    (journey,) = Journey.objects.all()
    assert kinds(journey) == [Kind.FILED, Kind.ACCEPTED, Kind.QUEUED, Kind.DELIVERED]


def test_copies_with_one_message_id_are_one_journey_until_it_is_long() -> None:
    store(mail("A1B2C3D4", "<1@x>") + mail("A1B2C3D5", "<1@x>", "eve@x.test", 5))
    (journey,) = Journey.objects.all()
    assert journey.recipients == ["bob@x.test", "eve@x.test"]
    Journey.objects.update(facts=journey.facts | {"n": 300})
    store(mail("A1B2C3D6", "<1@x>", second=9))
    store(mail("A1B2C3D7", "<1@x>", second=3 * 86_400))
    assert Journey.objects.count() == 3


def test_a_queue_id_that_is_used_again_begins_another_journey() -> None:
    store(mail("A1B2C3D4", "<1@x>"))
    store(mail("A1B2C3D4", "<2@x>", "eve@x.test", second=60))
    assert [row.recipients for row in Journey.objects.order_by("id")] == [["bob@x.test"], ["eve@x.test"]]
    assert of("q:A1B2C3D4").message_id == "<2@x>"


def test_refusals_and_sign_ins_that_repeat_are_counted_by_the_hour() -> None:
    event = Event("dovecot", Kind.SIGN_IN, client="192.0.2.1", login="bob@x.test", data={"protocol": "IMAP"})
    refused = Event(
        "postfix",
        Kind.REFUSED,
        sender="a@b.test",
        recipients=("no@x.test",),
        client="192.0.2.1",
        code="5.1.1",
    )
    filer = Filer()
    with transaction.atomic():
        filer.file([(records.at(second), one) for second in range(5) for one in (event, refused)])
        filer.file(
            [
                (records.at(6), event),
                (records.at(3700), event),
                (records.at(7), replace(refused, sender="c@d")),
            ]
        )
    counts = [(row.kind, row.count) for row in MailEvent.objects.order_by("id")]
    assert sorted(counts) == [("refused", 1), ("refused", 5), ("sign_in", 1), ("sign_in", 6)]
    assert {row.state for row in Journey.objects.filter(events__kind="sign_in")} == {"connection"}


def test_hanging_up_after_a_refusal_is_no_news_and_without_one_it_is() -> None:
    refused = Event(
        "postfix", Kind.REFUSED, recipients=("no@x.test",), client="192.0.2.1", process="smtpd[1]"
    )
    lost = Event("postfix", Kind.LOST, client="192.0.2.1", process="smtpd[1]", data={"stage": "RCPT"})
    store([(records.at(0), refused), (records.at(1), lost)])
    assert [row.kind for row in MailEvent.objects.all()] == [Kind.REFUSED]
    store([(records.at(2), replace(lost, process="smtpd[2]"))])
    assert MailEvent.objects.latest("id").kind == Kind.LOST


def test_of_a_mail_that_only_has_a_message_id_nothing_is_stored() -> None:
    store([(records.at(), Event("postfix", Kind.IDENTIFIED, "A1B2C3D4", message_id="<1@x>")),
           (records.at(), Event("postfix", Kind.REMOVED, "A1B2C3D4"))])  # fmt: skip
    assert not Journey.objects.exists()


@pytest.mark.parametrize("first", [True, False])
def test_a_mail_that_came_in_at_the_second_attempt_is_delivered(first: bool) -> None:
    """Refused for a while, or sent again after it had come in: what was delivered stays so."""
    said = [
        Event("postfix", Kind.ACCEPTED, "A1B2C3D5", client="192.0.2.1"),
        Event("postfix", Kind.IDENTIFIED, "A1B2C3D5", message_id="<1@x>"),
        Event(
            "postfix", Kind.PUT_OFF, "A1B2C3D5", recipients=("bob@x.test",), data={"stage": "END-OF-MESSAGE"}
        ),
        Event("postfix", Kind.REMOVED, "A1B2C3D5"),
    ]
    attempt = [(records.at(0 if first else 60), event) for event in said]
    for batch in sorted([attempt, mail("A1B2C3D4", "<1@x>", second=30)], key=lambda events: events[0][0]):
        store(batch)
    (journey,) = Journey.objects.all()
    assert (journey.state, journey.facts["outcomes"]) == ("delivered", {"bob@x.test": Kind.DELIVERED})


# --- reports of other servers


def report(
    second: int, *, to: str = "a@b.test", what: str = "bounced", about: str = "bob@x.test"
) -> list[tuple[datetime, Event]]:
    """A report about <1@x> that comes back from outside, and is delivered."""
    came = [
        Event("postfix", Kind.ACCEPTED, "E5F6A7B8", client="192.0.2.9"),
        Event("postfix", Kind.IDENTIFIED, "E5F6A7B8", message_id="<report@far>"),
        Event("rspamd", Kind.SCANNED, "E5F6A7B8", message_id="<report@far>", sender="", recipients=(to,), score=0.0,
              data={"action": "no action", "limit": 15.0, "symbols": []}),
        Event("rspamd", Kind.RETURNED, message_id="<1@x>", recipients=(about,), remote="mx.far.test", code="5.1.1",
              text="unknown user", data={"as": "E5F6A7B8", "to": [to], "what": what}),
        Event("postfix", Kind.DELIVERED, "E5F6A7B8", recipients=(to,)),
        Event("postfix", Kind.REMOVED, "E5F6A7B8"),
    ]  # fmt: skip
    return [(records.at(second), event) for event in came]


@pytest.mark.parametrize("at_once", [True, False])
def test_what_another_server_took_and_returned_has_bounced(at_once: bool) -> None:
    """Also when it comes back after days, and was forwarded to another address there."""
    events = report(60 if at_once else 5 * 86_400, about="moved@inner.test")
    for batch in (
        [mail("A1B2C3D4", "<1@x>") + events] if at_once else [mail("A1B2C3D4", "<1@x>"), *_batched(events, 1)]
    ):
        store(batch)
    (journey,) = Journey.objects.all()
    assert (journey.state, journey.facts["outcomes"]) == ("bounced", {"bob@x.test": Kind.BOUNCED})
    assert of("q:E5F6A7B8") == of("moved@inner.test") == journey
    assert journey.recipients == ["bob@x.test"]
    told = {step.kind: step.title for step in steps(journey, journey.events.all())}
    assert told[Kind.RETURNED] == "Another server could not deliver it to moved@inner.test"
    assert told[Kind.DELIVERED].startswith("Report: ")


def test_a_report_may_be_here_before_it_is_logged_that_the_other_server_took_the_mail() -> None:
    events = mail("A1B2C3D4", "<1@x>")
    for batch in (events[:3], report(1), [(records.at(2), event) for _, event in events[3:]]):
        store(batch)
    (journey,) = Journey.objects.all()
    assert (journey.state, journey.facts["outcomes"]) == ("bounced", {"bob@x.test": Kind.BOUNCED})


@pytest.mark.parametrize("what", ["delayed", "delivered"])
def test_a_report_of_delay_or_delivery_is_told_and_changes_nothing(what: str) -> None:
    store(mail("A1B2C3D4", "<1@x>") + report(60, what=what))
    (journey,) = Journey.objects.all()
    assert journey.state == "delivered" and Kind.RETURNED in kinds(journey)


def test_a_report_that_did_not_come_to_the_sender_is_a_mail_of_its_own() -> None:
    store(mail("A1B2C3D4", "<1@x>") + report(60, to="eve@x.test"))
    assert sorted(Journey.objects.values_list("state", flat=True)) == ["delivered", "delivered"]
    assert not MailEvent.objects.filter(kind=Kind.RETURNED).exists()
    store(report(90, to="eve@x.test"))  # and once more, after the worker was started again


# --- messages of the relay


def test_what_postfix_returned_of_the_relays_mail_has_bounced_there_too() -> None:
    message = Message.objects.create(
        message_id="<1@x>",
        to=["Bob@x.test"],
        recipients=[{"address": "Bob@x.test", "status": "sent"}],
        status="sent",
    )
    events = [(at, event) for at, event in mail("A1B2C3D4", "<1@x>") if event.kind != Kind.DELIVERED]
    said = "host mx.x.test[192.0.2.7] said: 550 5.1.1 User unknown (in reply to RCPT TO command)"
    bounce = Event("postfix", Kind.BOUNCED, "A1B2C3D4", recipients=("bob@x.test",), code="5.1.1", text=said)
    for _ in range(2):
        store([*events[:-1], (records.at(1), bounce), events[-1]])
    (known,) = message.feedback.all()
    assert (known.recipient, known.kind, known.hard, known.proven, known.source) == (
        "bob@x.test", "bounced", True, True, "log",
    )  # fmt: skip
    assert Suppression.objects.filter(address="bob@x.test").exists()


@pytest.mark.parametrize("at_once", [True, False])
def test_what_postfix_gave_up_of_the_relays_mail_has_bounced_there_too(at_once: bool) -> None:
    message = Message.objects.create(
        message_id="<1@x>",
        to=["bob@x.test", "eve@x.test"],
        recipients=[{"address": address, "status": "sent"} for address in ("bob@x.test", "eve@x.test")],
        status="sent",
    )
    said = (
        "host mx.x.test[192.0.2.7] said: 450 4.2.0 Greylisted, try again later (in reply to RCPT TO command)"
    )
    events = [*mail("A1B2C3D4", "<1@x>", "eve@x.test")[:-1]]
    for second in (2, 3):
        deferral = Event("postfix", Kind.DEFERRED, "A1B2C3D4", recipients=("bob@x.test",), code="4.2.0", text=said,
                         remote="mx.x.test[192.0.2.7]:25")  # fmt: skip
        events.append((records.at(second), deferral))
    events += [
        (records.at(4), Event("postfix", kind, "A1B2C3D4", sender="alice@x.test"))
        for kind in (Kind.EXPIRED, Kind.REMOVED)
    ]
    for batch in [events] if at_once else _batched(events, 1):
        store(batch)
    (known,) = message.feedback.all()
    assert (known.recipient, known.kind, known.hard, known.status, known.code, known.source) == (
        "bob@x.test", "bounced", False, "4.2.0", 450, "log",
    )  # fmt: skip
    assert known.proven and "Greylisted, try again later" in known.said
    assert not Suppression.objects.exists()
    assert of("m:<1@x>").state == "bounced"


def test_a_strangers_mail_with_a_known_message_id_tells_nothing_of_the_relays() -> None:
    message = Message.objects.create(
        message_id="<1@x>",
        to=["bob@x.test"],
        recipients=[{"address": "bob@x.test", "status": "sent"}],
        status="sent",
    )
    forward, said = {"for": "forward@here.test"}, "550 5.1.1 User unknown"
    gone = ("gone@dead.test",)
    bounce = Event(
        "postfix", Kind.BOUNCED, "A1B2C3D4", recipients=gone, code="5.1.1", text=said, data=forward
    )
    store([*mail("A1B2C3D4", "<1@x>")[:-1], (records.at(1), bounce)])
    assert not message.feedback.exists() and not Suppression.objects.exists()


@pytest.mark.parametrize("rspamd_first", [True, False])
def test_a_recipient_that_rspamd_names_without_its_tag_is_one(rspamd_first: bool) -> None:
    scanned = Event("rspamd", Kind.SCANNED, "A1B2C3D4", message_id="<1@x>", sender="a@b.test",
                    recipients=("bob@x.test", "eve@x.test"), score=0.0)  # fmt: skip
    events = mail("A1B2C3D4", "<1@x>", "bob+tag@x.test", second=1)
    store([(records.at(0 if rspamd_first else 2), scanned), *events])
    (journey,) = Journey.objects.all()
    assert (sorted(journey.recipients), journey.recipient_count) == (["bob+tag@x.test", "eve@x.test"], 2)
