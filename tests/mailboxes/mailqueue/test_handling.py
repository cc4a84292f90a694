"""Mail that waits in Postfix is put on hold, released and deleted, by API and page; the audit log says who asked."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from rest_framework.test import APIClient

from mailboxes.engine.values import Result
from mailboxes.maillog.filing import store
from mailboxes.models import Journey, Stack
from quazzar.auditlog.sentences import sentence
from quazzar.models import AuditEntry
from tests.fakeparts import Ran
from tests.mailboxes.consolepages import HTMX, TAB, html
from tests.mailboxes.maillog.test_journeys import mail as arrives
from tests.mailboxes.mailqueue.test_listing import mail
from tests.mailboxes.stackengine import StackEngine

pytestmark = pytest.mark.django_db
QUEUE = "/api/mail/stack/queue"
ONE, OTHER = "4bXk2Q1y8Lz3d", "4bXk2R5CZNz3f"
WORDS = {"-h": "Placed on hold", "-H": "Released from hold", "-d": "Deleted"}


@pytest.fixture(autouse=True)
def _waiting(up: StackEngine) -> None:
    lines = [
        mail(ONE, "450 4.2.0 Greylisted"),
        mail(OTHER, "connect to dead.test[192.0.2.1]:25: Connection refused"),
        "2",
    ]
    up.reply("bash", "-o", "pipefail", with_=Result(0, "\n".join(lines).encode()))
    up.reply("postsuper", with_=postsuper)


def postsuper(ran: Ran) -> Result:
    """As postsuper(1) answers: a line for each mail that it found, and their number."""
    switch, ids = ran.argv[1], [word for word in ran.argv[1:] if not word.startswith("-")]
    found = [one for one in ids if one in (ONE, OTHER)]
    noun = "message" if len(found) == 1 else "messages"
    lines = [f"postsuper: {one}: done" for one in found] + [
        f"postsuper: {WORDS[switch]}: {len(found)} {noun}"
    ]
    return Result(0, b"", "\n".join(lines).encode())


def ran(up: StackEngine) -> list[tuple[str, ...]]:
    return [tuple(one.argv[1:]) for one in up.commands if one.argv[0] == "postsuper"]


def recorded() -> list[str]:
    entries = AuditEntry.objects.filter(action__startswith="stack.queue_").order_by("id")
    return [sentence(entry).did for entry in entries]


@pytest.mark.parametrize(
    ("act", "switch", "said"),
    [
        ("hold", "-h", "put mail {} in Postfix's queue on hold"),
        ("release", "-H", "released mail {} in Postfix's queue from hold"),
        ("delete", "-d", "deleted mail {} from Postfix's queue"),
    ],
)
def test_one_mail_or_several_by_api(
    up: StackEngine, api: APIClient, act: str, switch: str, said: str
) -> None:
    assert api.post(f"{QUEUE}/{act}", {"ids": [ONE]}, format="json").json() == {"count": 1}
    assert api.post(f"{QUEUE}/{act}", {"ids": [ONE, OTHER, ONE]}, format="json").json() == {"count": 2}
    assert ran(up) == [(switch, ONE), (switch, ONE, switch, OTHER)]
    assert recorded() == [said.format(ONE), said.format(f"{ONE} and {OTHER}")]


@pytest.mark.parametrize("ids", [[], ["-d"], ["ALL;"], ["../../etc/passwd"], ["a" * 40], "ALL", [ONE] * 501])
def test_what_is_no_queue_id_reaches_no_command(up: StackEngine, api: APIClient, ids: object) -> None:
    assert api.post(f"{QUEUE}/delete", {"ids": ids}, format="json").status_code == 400
    assert ran(up) == []


def test_mail_that_has_left_is_404_and_not_recorded(up: StackEngine, api: APIClient) -> None:
    answer = api.post(f"{QUEUE}/delete", {"ids": ["4bXk2Q1y8Lz9z"]}, format="json")
    assert answer.status_code == 404 and recorded() == []


@pytest.mark.parametrize(
    ("act", "why"), [("hold", "on hold already"), ("release", "is on hold"), ("delete", "have left")]
)
def test_why_nothing_was_done_is_said(up: StackEngine, api: APIClient, act: str, why: str) -> None:
    answer = api.post(f"{QUEUE}/{act}", {"ids": ["4bXk2Q1y8Lz9z"]}, format="json")
    assert why in answer.json()["message"]


def test_without_a_mail_server_nothing_is_done(up: StackEngine, api: APIClient) -> None:
    up.boxes.clear()
    answer = api.post(f"{QUEUE}/hold", {"ids": [ONE]}, format="json")
    assert (answer.status_code, answer.json()["error"]) == (409, "not_running")
    assert recorded() == []


@pytest.mark.parametrize("state", ["off", "without containers"])
def test_page_and_api_agree_that_nothing_waits_where_nothing_runs(
    up: StackEngine, api: APIClient, client: Client, operator: User, state: str
) -> None:
    up.boxes.clear()
    if state == "off":
        Stack.objects.update(enabled=False)
        up.unreachable = True
    assert api.get(QUEUE).json() == {"count": 0, "messages": []}
    client.force_login(operator)
    assert "The mail server is not running" in html(client.get(f"{TAB}queue/"))


def test_the_page_lists_reasons_mail_and_journeys(up: StackEngine, client: Client, operator: User) -> None:
    store(arrives(ONE, "<1@x>"))
    client.force_login(operator)
    page = html(client.get(f"{TAB}queue/"))
    assert "Greylisted" in page and "Connection refused" in page and "2 waiting" in page
    assert f"/admin/find-mail/{Journey.objects.get().pk}/" in page
    narrowed = html(client.get(f"{TAB}queue/", {"q": "refused"}))
    assert OTHER in narrowed and f"mail-{ONE}" not in narrowed
    assert "No mail in the queue matches" in html(client.get(f"{TAB}queue/", {"q": "nothing"}))


def test_the_page_holds_what_the_search_found(up: StackEngine, client: Client, operator: User) -> None:
    client.force_login(operator)
    answer = client.post(f"{TAB}queue/hold/", {"all": "on", "q": "refused"}, headers=HTMX)
    assert "1 mail put on hold" in answer["HX-Trigger"]
    client.post(f"{TAB}queue/release/", {"ids": ONE}, headers=HTMX)
    assert ran(up) == [("-h", OTHER), ("-H", ONE)]


def test_deleting_asks_first_and_deletes_what_it_named(
    up: StackEngine, client: Client, operator: User
) -> None:
    client.force_login(operator)
    asked = html(client.get(f"{TAB}queue/delete/", {"all": "on"}, headers=HTMX))
    assert "Delete 2 mails from the queue?" in asked and ran(up) == []
    answer = client.post(f"{TAB}queue/delete/", {"ids": f"{ONE},{OTHER}"}, headers=HTMX)
    assert "2 mails deleted" in answer["HX-Trigger"]
    assert ran(up) == [("-d", ONE, "-d", OTHER)]
    gone = html(client.get(f"{TAB}queue/delete/", {"ids": "4bXk2Q1y8Lz9z"}, headers=HTMX))
    assert "No such mail waits" in gone


def test_who_may_only_look_changes_nothing(up: StackEngine, client: Client, other_staff: User) -> None:
    other_staff.groups.add(Group.objects.get(name="Viewer"))
    client.force_login(other_staff)
    page = html(client.get(f"{TAB}queue/"))
    assert ONE in page and "Delete…" not in page and "Hold" not in page
    for act in ("hold", "release", "delete"):
        assert client.post(f"{TAB}queue/{act}/", {"ids": ONE}, headers=HTMX).status_code == 403
    assert ran(up) == []


def test_without_docker_the_page_says_so(up: StackEngine, client: Client, operator: User) -> None:
    client.force_login(operator)
    up.unreachable = True
    assert "Docker" in html(client.get(f"{TAB}queue/"))
    assert "error" in client.post(f"{TAB}queue/hold/", {"all": "on"}, headers=HTMX)["HX-Trigger"]
