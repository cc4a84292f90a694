"""Find mail in the console and by API: the list, a journey, the message's own page, and who may see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from rest_framework.test import APIClient

from mailboxes.maillog.filing import store
from mailboxes.models import Journey
from mailrelay.models import Message
from tests.mailboxes.consolepages import HTMX, html
from tests.mailboxes.maillog import records
from tests.mailboxes.maillog.test_journeys import mail

pytestmark = pytest.mark.django_db
FIND, API = "/admin/find-mail/", "/api/mail/journeys"


@pytest.fixture
def page(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def recorded() -> None:
    store(records.events())


def test_the_list_shows_who_where_and_why(page: Client, recorded: None) -> None:
    text = html(page.get(FIND, {"q": "nobody@hard.test"}))
    assert "From alice@rec.test" in text and "to nobody@hard.test" in text
    assert "Bounced" in text and "User unknown" in text


def test_the_list_is_fetched_again_only_when_it_has_changed(page: Client, recorded: None) -> None:
    first = page.get(FIND, headers={**HTMX, "HX-Target": "list"})
    seen = html(first).split('name="seen" value="')[1].split('"')[0]
    assert page.get(FIND, {"seen": seen}, headers={**HTMX, "HX-Target": "list"}).status_code == 204


@pytest.mark.parametrize("tab", ["all", "waiting", "failed", "delivered", "connections", "nonsense"])
def test_every_tab_opens_with_and_without_mail(page: Client, tab: str) -> None:
    assert page.get(FIND, {"tab": tab}).status_code == 200
    assert page.get(FIND, {"tab": tab, "q": "nothing here"}).status_code == 200
    store(records.events())
    assert page.get(FIND, {"tab": tab}).status_code == 200


def test_every_recorded_journey_has_its_page(page: Client, recorded: None) -> None:
    for row in Journey.objects.all():
        answer = page.get(f"{FIND}{row.pk}/")
        assert answer.status_code == 200
    assert page.get(f"{FIND}999999/").status_code == 404


def test_a_journey_is_told_with_recipients_and_details(page: Client, recorded: None) -> None:
    row = Journey.objects.get(keys__key="q:62E4217E534")
    text = html(page.get(f"{FIND}{row.pk}/"))
    for part in (
        "friend@far.test",
        "Delivered",
        "grey@greylist.test",
        "Waiting",
        "62E4217E534",
        "4jdFRB5xKlzCmqW",
    ):
        assert part in text


@pytest.mark.parametrize(("state", "said"), [("held", "On hold"), ("deleted", "Deleted")])
def test_nobody_is_said_to_wait_for_mail_that_is_held_or_gone(
    page: Client, recorded: None, state: str, said: str
) -> None:
    row = Journey.objects.get(keys__key="q:62E4217E534")
    Journey.objects.filter(pk=row.pk).update(state=state)
    recipients = html(page.get(f"{FIND}{row.pk}/")).partition("x-recipients")[2].partition("</ul>")[0]
    assert said in recipients and "Delivered" in recipients and "Waiting" not in recipients


def test_a_message_of_the_relay_shows_how_it_went_on(page: Client, queued: Callable[..., Message]) -> None:
    message = queued("bob@x.test", subject="Backup done")
    assert "Journey" not in html(page.get(f"/admin/mailrelay/message/{message.pk}/change/"))
    store(mail("A1B2C3D4", message.message_id))
    text = html(page.get(f"/admin/mailrelay/message/{message.pk}/change/"))
    assert "Delivered to the mailbox" in text or "Accepted by the next server" in text
    journey = Journey.objects.get()
    assert f"{FIND}{journey.pk}/" in text
    whole = html(page.get(f"{FIND}{journey.pk}/"))
    assert "Accepted by the API" in whole and "Backup done" in whole


def test_the_api_finds_and_tells(api: APIClient, recorded: None) -> None:
    (found,) = api.get(API, {"q": "nobody@hard.test"}).json()["results"]
    assert (found["state"], found["to"], found["sender"]) == (
        "bounced",
        ["nobody@hard.test"],
        "alice@rec.test",
    )
    whole = api.get(f"{API}/{found['id']}").json()
    assert whole["outcomes"] == {"nobody@hard.test": "bounced"}
    assert "1E89A17E585" in whole["queue_ids"]
    assert "Not deliverable to nobody@hard.test" in [step["title"] for step in whole["steps"]]


def test_the_apis_pages_hold_everything_once(
    api: APIClient, recorded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailboxes.maillog.finding.PAGE", 9)
    ids: list[int] = []
    url: str | None = API
    while url:
        answer = api.get(url).json()
        ids += [row["id"] for row in answer["results"]]
        url = answer["next"]
    assert len(ids) == len(set(ids)) == Journey.objects.exclude(state="connection").count()


@pytest.mark.parametrize("query", [{"tab": "none"}, {"before": "x"}, {"q": "x" * 201}, {"unknown": "1"}])
def test_what_the_api_does_not_know_is_refused(api: APIClient, query: dict[str, Any]) -> None:
    assert api.get(API, query).status_code == 400


def test_who_sees_messages_alone_does_not_see_the_mail_servers(
    client: Client, other_staff: User, client_with: Callable[..., APIClient]
) -> None:
    other_staff.groups.add(Group.objects.get(name="Sender"))
    client.force_login(other_staff)
    assert client.get(FIND).status_code == 403
    assert client_with(other_staff, "mail:read").get(API).status_code == 403


def test_passwords_of_clients_are_on_no_page(page: Client, recorded: None) -> None:
    for row in Journey.objects.filter(state="connection"):
        assert "AGFsaWNlAHNlY3JldA" not in html(page.get(f"{FIND}{row.pk}/"))


def test_home_leads_to_the_search_for_whoever_may_use_it(
    page: Client, other_staff: User, plan: Callable[[str], None]
) -> None:
    assert 'action="/admin/find-mail/"' in html(page.get("/admin/"))
    plan("community")
    assert 'action="/admin/find-mail/"' not in html(page.get("/admin/"))
    plan("pro")
    other_staff.groups.add(Group.objects.get(name="Sender"))
    page.force_login(other_staff)
    assert 'action="/admin/find-mail/"' not in html(page.get("/admin/"))
