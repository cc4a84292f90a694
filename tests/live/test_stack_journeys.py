"""Where is my mail? Each mail of a running stack is found by search, and its journey is told right."""

from __future__ import annotations

import contextlib
import re
import time
from base64 import b64decode
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.mailworld import STRANGER, World, outside
from tests.quazzar.nodes import wait_until
from tests.rig.mailclients import GTUBES, deliver, mail, parsed, smtp_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import MailStack
    from tests.rig.images import Images
    from tests.rig.standins import Sink

pytestmark = [pytest.mark.real, pytest.mark.thorough]

#: Seconds until what happened must be found: the follower stores every second, and the machine is shared.
SOON = 30


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> World:
    return World(mailstack, "journeys.test")


@pytest.fixture(scope="module")
def sink(world: World, stack_images: Images) -> Iterator[Sink]:
    """Another server, which takes all mail but that to grey@."""
    with outside(world.stack, stack_images, ["far.journeys.example"]) as found:
        found.answer("RCPT grey@far.journeys.example", "450 4.7.1 Greylisted, come again")
        found.answer("RCPT gone@far.journeys.example", "550 5.1.1 No such person")
        yield found


@contextlib.contextmanager
def dead(world: World, images: Images) -> Iterator[str]:
    """The name of a host on which nobody listens."""
    client, network = world.stack.client, world.stack.project
    aliases = {network: client.api.create_endpoint_config(aliases=["dead.journeys.example"])}
    container = client.containers.create(
        images.sink, command=["600"], entrypoint=["sleep"], name=f"{network}-dead", network=network,
        networking_config=aliases,
    )  # fmt: skip
    container.start()
    try:
        yield "dead.journeys.example"
    finally:
        container.remove(force=True)


def journey(world: World, text: str, state: str, *, kinds: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
    """The newest journey that the text finds, as soon as it is in this state and has these kinds of steps."""
    found: dict[str, Any] = {}

    def there() -> bool:
        rows = world.stack.expect(200, "GET", f"/api/mail/journeys?q={text.replace('+', '%2B')}")["results"]
        if not rows or rows[0]["state"] != state:
            return False
        found.update(world.stack.expect(200, "GET", f"/api/mail/journeys/{rows[0]['id']}"))
        return kinds <= {step["kind"] for step in found["steps"]}

    wait_until(there, f"the journey of {text} is {state}", SOON)
    return found


def said(found: dict[str, Any], kind: str) -> str:
    return next(
        f"{step['title']} | {step['said']} | {step['details']}"
        for step in found["steps"]
        if step["kind"] == kind
    )


def test_a_mail_from_outside_is_told_from_the_door_to_the_inbox(world: World) -> None:
    raw = mail("from outside", to=world.bob.address)
    assert deliver(world.server, raw, world.at("bob+journey")).accepted
    steps = {"accepted", "scanned", "queued", "delivered", "filed"}
    for text in (world.at("bob+journey"), str(parsed(raw)["Message-ID"]).strip("<>")):
        found = journey(world, text, "delivered", kinds=steps)
        assert found["sender"] == STRANGER and found["score"] is not None
        assert said(found, "filed").startswith(f"Filed in the inbox of {world.bob.address}")
        assert said(found, "delivered").startswith("Delivered to the mailbox of")
    (queue_id,) = found["queue_ids"]
    assert journey(world, queue_id, "delivered")["id"] == found["id"]


def test_a_mail_to_nobody_is_found_though_it_never_came_in(world: World) -> None:
    assert deliver(world.server, mail("to nobody"), world.at("no-such-person")).code == 550
    found = journey(world, world.at("no-such-person"), "refused")
    assert "User unknown" in said(found, "refused") and found["steps"][0]["hint"]


def test_spam_is_told_with_its_score_and_the_folder(world: World) -> None:
    # From: is ours, and nobody signed in.
    forged = mail("forged", sender=world.alice.address, to=world.bob.address)
    assert deliver(world.server, forged, world.bob.address, sender="forger@journeys.example").accepted
    found = journey(world, "forger@journeys.example", "delivered", kinds={"scanned", "filed"})
    assert found["spam"] and found["score"] >= 6
    assert "nobody signed in to send it" in said(found, "scanned")
    assert "the folder Junk" in said(found, "filed")


def test_what_rspamd_refuses_is_refused_with_its_words(world: World) -> None:
    raw = mail("test string", body=GTUBES[0])
    assert deliver(world.server, raw, world.bob.address, sender="gtube@journeys.example").code == 554
    found = journey(world, "gtube@journeys.example", "refused", kinds={"scanned", "refused"})
    assert "Gtube pattern" in said(found, "refused")


def test_a_mail_of_a_mail_client_is_signed_and_leaves(world: World, sink: Sink) -> None:
    assert world.submit("signed", "friend@far.journeys.example").accepted
    sink.wait_for(1)
    found = journey(world, "friend@far.journeys.example", "delivered", kinds={"signed", "queued"})
    assert found["login"] == found["sender"] == world.alice.address
    assert said(found, "signed").startswith("Signed with DKIM for journeys.test")
    assert "selector quazzar" in said(found, "signed")
    assert "who had signed in" in said(found, "accepted") and "587" in said(found, "accepted")
    assert "250 2.0.0 Ok" in said(found, "delivered")


def test_mail_to_a_dead_server_waits_and_can_be_held_released_and_deleted(
    world: World, stack_images: Images
) -> None:
    with dead(world, stack_images) as name:
        assert world.submit("waits", f"friend@{name}").accepted
        found = journey(world, f"friend@{name}", "waiting")
        assert "Connection refused" in said(found, "deferred")
        (queue_id,) = found["queue_ids"]
        for act, state in (("hold", "held"), ("release", "waiting"), ("delete", "deleted")):
            answer = world.stack.expect(200, "POST", f"/api/mail/stack/queue/{act}", {"ids": [queue_id]})
            assert answer == {"count": 1}
            journey(world, queue_id, state)
        world.stack.expect(404, "POST", "/api/mail/stack/queue/delete", {"ids": [queue_id]})


def test_a_bounce_is_part_of_the_mail_that_bounced(world: World, sink: Sink) -> None:
    assert world.submit("bounces", "gone@far.journeys.example").accepted
    found = journey(world, "gone@far.journeys.example", "bounced", kinds={"reported", "filed"})
    assert "No such person" in said(found, "bounced") and found["outcomes"] == {
        "gone@far.journeys.example": "bounced"
    }
    assert len(found["queue_ids"]) == 2


REPORT = """\
From: MAILER-DAEMON@far.journeys.example
To: {to}
Subject: Undelivered Mail Returned to Sender
Message-ID: <to-{to}>
Content-Type: multipart/report; report-type=delivery-status; boundary="B"
MIME-Version: 1.0

--B
Content-Type: text/plain

It could not be delivered.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; far.journeys.example

Original-Recipient: rfc822;later@far.journeys.example
Final-Recipient: rfc822;gone@inner.example
Action: failed
Status: 5.2.2
Diagnostic-Code: smtp; 552 5.2.2 Mailbox is full

--B
Content-Type: text/rfc822-headers

Subject: later
Message-ID: <{about}>

--B--
"""


def test_a_mail_that_another_server_took_and_returned_later_has_bounced(world: World, sink: Sink) -> None:
    """The report goes to the user who sent the mail; one that goes to somebody else says nothing about it."""
    sink.clear()
    assert world.submit("later", "later@far.journeys.example").accepted
    about = str(sink.wait_for(1)[0].message["Message-ID"]).strip("<>")
    for to, state in ((world.bob.address, "delivered"), (world.alice.address, "bounced")):
        raw = REPORT.format(to=to, about=about).replace("\n", "\r\n").encode()
        assert deliver(world.server, raw, to, sender="").accepted
        journey(world, f"to-{to}", state, kinds={"filed"})
        found = journey(world, about, state)
    assert found["outcomes"] == {"later@far.journeys.example": "bounced"}
    assert "552 5.2.2 Mailbox is full" in said(found, "returned")


#: Reports in the forms of qmail and of an old Exim, without a part for programs; name → the text, what is told of it.
IN_WORDS = {
    "qmail": (
        """\
From: MAILER-DAEMON@far.journeys.example
To: {to}
Subject: failure notice
Message-ID: <{name}-to-{to}>

Hi. This is the qmail-send program at far.journeys.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<gone@inner.example>:
192.0.2.7 does not like recipient.
Remote host said: 550 5.1.1 <gone@inner.example>: User unknown
Giving up on 192.0.2.7.

--- Below this line is a copy of the message.

Return-Path: <{to}>
Subject: {name}
Message-ID: <{about}>

A secret of the sender.

<nobody@inner.example>:
not a recipient, but text of the mail
""",
        "550 5.1.1 <gone@inner.example>: User unknown",
    ),
    "exim": (
        """\
From: Mail Delivery System <Mailer-Daemon@far.journeys.example>
To: {to}
X-Failed-Recipients: gone@inner.example
Auto-Submitted: auto-replied
Subject: Mail delivery failed: returning message to sender
Message-ID: <{name}-to-{to}>

A message that you sent could not be delivered to one or more of its recipients.

  gone@inner.example
    Unrouteable address

------ This is a copy of the message, including all the headers. ------

Subject: {name}
Message-ID: <{about}>

A secret of the sender.
""",
        "gone@inner.example",
    ),
}


@pytest.mark.parametrize("name", IN_WORDS)
def test_a_report_without_a_part_for_programs_counts_if_its_form_is_known(
    world: World, sink: Sink, name: str
) -> None:
    sink.clear()
    text, told = IN_WORDS[name]
    to = f"{name}@far.journeys.example"
    assert world.submit(name, to).accepted
    about = str(sink.wait_for(1)[0].message["Message-ID"]).strip("<>")
    raw = text.format(to=world.alice.address, about=about, name=name).replace("\n", "\r\n").encode()
    assert deliver(world.server, raw, world.alice.address, sender="").accepted
    found = journey(world, about, "bounced")
    assert found["outcomes"] == {to: "bounced"}
    (returned,) = [step for step in found["steps"] if step["kind"] == "returned"]
    assert told in str(returned) and "secret" not in str(found)
    logged = re.findall(r"QZ_REPORT\(0\.00\)\{([^}]*)\}", world.stack.container("rspamd").logs().decode())
    kept = [b64decode(part) for options in logged for part in options.split(";") if part]
    assert about.encode() in kept and not any(b"secret" in part or b"nobody@" in part for part in kept)


def test_who_signs_in_and_who_hangs_up_is_told_apart(world: World) -> None:
    world.bob.wait_login()
    with smtp_session(world.server, 587) as client:
        client.docmd("AUTH", "PLAIN AGJvYkBqb3VybmV5cy50ZXN0AHdyb25nLXNlY3JldA==")
    path = f"/api/mail/journeys?tab=connections&q={world.bob.address}"

    def kinds() -> set[str]:
        rows = world.stack.expect(200, "GET", path)["results"]
        details = [world.stack.expect(200, "GET", f"/api/mail/journeys/{row['id']}") for row in rows]
        assert "wrong-secret" not in repr(details) and "d3Jvbmct" not in repr(details)
        return {step["kind"] for one in details for step in one["steps"]}

    wait_until(lambda: {"sign_in", "sign_in_failed"} <= kinds(), "both are told", SOON)


def _accepted(world: World, sender: str, raw: bytes) -> bool:
    return deliver(world.server, raw, world.bob.address, sender=sender).accepted


def test_nothing_is_lost_or_doubled_when_worker_and_containers_are_killed(world: World) -> None:
    """Twenty mails while the worker is killed twice and Dovecot once: each has one journey, with each step once."""
    stack = world.stack
    names = [f"kill-{number}@journeys.example" for number in range(20)]
    for number, sender in enumerate(names):
        if number in (5, 12):
            stack.kill("worker")
        if number == 8:
            stack.container("dovecot").kill()
        raw = mail(f"kill {number}", to=world.bob.address)
        wait_until(partial(_accepted, world, sender, raw), "accepted", 120)
        time.sleep(0.2)
    for sender in names:
        # Each container's log is followed on its own, so Dovecot's line may be there before Postfix's.
        found = journey(world, sender, "delivered", kinds={"queued", "delivered", "filed"})
        kinds = [step["kind"] for step in found["steps"]]
        assert kinds.count("delivered") == kinds.count("filed") == kinds.count("queued") == 1, kinds
        rows = stack.expect(200, "GET", f"/api/mail/journeys?q={sender}")["results"]
        assert [row["state"] for row in rows if row["state"] == "delivered"] == ["delivered"]
