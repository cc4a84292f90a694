"""Mail that waits in Postfix is tried now: one mail or all of it, by API and page, and the audit log says who asked."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from rest_framework.test import APIClient

from mailboxes.engine.values import Result
from mailboxes.mailqueue import watch
from quazzar.auditlog.sentences import sentence
from quazzar.models import AuditEntry
from tests.mailboxes.consolepages import HTMX, TAB, html
from tests.mailboxes.mailqueue.test_listing import mail
from tests.mailboxes.stackengine import StackEngine

pytestmark = pytest.mark.django_db
RETRY = "/api/mail/stack/queue/retry"
ONE, OTHER = "4bXk2Q1y8Lz3d", "4bXk2R5CZNz3e"


@pytest.fixture(autouse=True)
def _waiting(up: StackEngine) -> None:
    lines = [mail(ONE, "450 4.2.0 Greylisted"), mail(OTHER, "450 4.2.0 Greylisted"), "2"]
    up.reply("bash", "-o", "pipefail", with_=Result(0, "\n".join(lines).encode()))
    up.reply("postqueue", "-i", with_=Result(0))


def tried(up: StackEngine) -> list[tuple[str, ...]]:
    return [tuple(ran.argv) for ran in up.commands if ran.argv[0] == "postqueue"]


def recorded() -> list[str]:
    return [sentence(entry).did for entry in AuditEntry.objects.filter(action="stack.queue_retried")]


def test_one_mail_or_all_of_it(up: StackEngine, api: APIClient) -> None:
    assert api.post(RETRY, {"id": OTHER}).json() == {"count": 1}
    assert api.post(RETRY, {}).json() == {"count": 2}
    assert tried(up) == [("postqueue", "-i", OTHER), ("postqueue", "-f")]
    assert sorted(recorded()) == [
        "retried all mail that waited in Postfix",
        f"retried mail {OTHER} that waited in Postfix",
    ]


def test_mail_on_hold_is_not_counted(up: StackEngine, api: APIClient) -> None:
    held = mail(OTHER, "450 4.2.0 Greylisted", queue="hold")
    lines = [mail(ONE, "450 4.2.0 Greylisted"), held, "2"]
    up.reply("bash", "-o", "pipefail", with_=Result(0, "\n".join(lines).encode()))
    assert api.post(RETRY, {}).json() == {"count": 1}


def test_a_mail_that_does_not_wait_is_not_tried(up: StackEngine, api: APIClient) -> None:
    for name in ("4bXk2Q1y8Lz3f", "-f", "../etc"):
        answer = api.post(RETRY, {"id": name})
        assert answer.status_code == 404 and "queue id" in answer.json()["message"]
    assert not tried(up) and not recorded()


def test_without_a_mail_server_there_is_nothing_to_retry(up: StackEngine, api: APIClient) -> None:
    up.boxes.clear()
    for body in ({}, {"id": ONE}):
        answer = api.post(RETRY, body)
        assert (answer.status_code, answer.json()["error"]) == (409, "not_running")
    assert recorded() == []


def test_without_docker_nothing_is_tried_or_recorded(up: StackEngine, api: APIClient) -> None:
    up.unreachable = True
    assert api.post(RETRY, {}).status_code == 503
    assert recorded() == []


def test_the_page_lists_the_mail_with_its_button(up: StackEngine, client: Client, operator: User) -> None:
    client.force_login(operator)
    page = html(client.get(f"{TAB}queue/", headers=HTMX))
    assert page.count("> Retry now</button>") == 2 and "Retry all now" in page
    answer = client.post(f"{TAB}queue/retry/", {"id": ONE}, headers=HTMX)
    assert "Retrying 1 mail now." in answer["HX-Trigger"]
    assert tried(up) == [("postqueue", "-i", ONE)]


def test_who_may_only_look_gets_no_button_and_tries_nothing(
    up: StackEngine, client: Client, django_user_model: type[User]
) -> None:
    viewer = django_user_model.objects.create_user("vera", password="x", is_staff=True)
    viewer.groups.add(Group.objects.get(name="Viewer"))
    client.force_login(viewer)
    page = html(client.get(f"{TAB}queue/", headers=HTMX))
    assert ONE in page and "Retry" not in page
    assert client.post(f"{TAB}queue/retry/", headers=HTMX).status_code == 403
    assert tried(up) == []


def test_the_command_is_the_containers(up: StackEngine, api: APIClient) -> None:
    api.post(RETRY, {})
    assert {ran.name for ran in up.commands if ran.argv[0] == "postqueue"} == {watch.container()}
