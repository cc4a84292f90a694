"""The navigation of the mail server's pages marks the part that a page belongs to."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.mailboxes import factories
from tests.mailboxes.consolepages import HTMX, TAB, html, running

MARKED = re.compile(r'class="q-pill" href="[^"]*" aria-current="page">(\w+)')


@pytest.fixture
def console(client: Client, operator: User, rung: list[str]) -> Client:
    running(controller_password="fern-Otter-31-gravel")
    client.force_login(operator)
    return client


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("list/", "Mailboxes"),
        ("add/", "Mailboxes"),
        ("{mailbox}/", "Mailboxes"),
        ("{mailbox}/delete/", "Mailboxes"),
        ("{mailbox}/connection/", "Mailboxes"),
        ("list/selected/delete/?pk={mailbox}", "Mailboxes"),
        ("deleted/", "Deleted"),
        ("aliases/add/", "Aliases"),
        ("aliases/{alias}/", "Aliases"),
        ("aliases/{alias}/delete/", "Aliases"),
        ("domains/add/", "Domains"),
        ("domains/{domain}/", "Domains"),
        ("domains/{domain}/delete/", "Domains"),
        ("import/", "Import"),
        ("server/", "Server"),
        ("certificate/", "Server"),
        ("disable/", "Server"),
    ],
)
def test_every_page_marks_its_part(console: Client, path: str, part: str) -> None:
    mailbox, alias = factories.mailbox(), factories.alias()
    answer = console.get(TAB + path.format(domain=mailbox.domain_id, mailbox=mailbox.pk, alias=alias.pk))
    assert answer.status_code == 200
    assert MARKED.findall(html(answer)) == [part]


def test_the_mark_stays_when_the_head_is_fetched_again(console: Client) -> None:
    domain = factories.domain()
    page = html(console.get(f"{TAB}domains/{domain.pk}/"))
    fetched = re.search(r'hx-get="([^"]*/head/[^"]*)"', page)
    assert fetched is not None
    assert MARKED.findall(html(console.get(fetched[1], headers=HTMX))) == ["Domains"]
