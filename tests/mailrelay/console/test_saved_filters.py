"""Filters of the message list that an operator saves under a name."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from mailrelay.queue import savedfilters
from mailrelay.queue.savedfilters import SavedFilter
from quazzar.errors import InvalidFields
from tests.markup import html

LIST = "/admin/mailrelay/message/"
NAS = f"{LIST}filter/?tab=failed&q=nas"


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.mark.slow
def test_a_filter_is_saved_found_renamed_and_deleted(console: Client, operator: User) -> None:
    assert "Save this filter…" in html(console.get(f"{LIST}?tab=failed&q=nas"))
    shown = html(console.post(NAS, {"name": " NAS  failures "}, follow=True))
    assert "Filter “NAS failures” saved." in shown and "Save this filter…" not in shown
    assert 'href="?tab=failed&amp;q=nas"' in html(console.get(LIST))
    assert 'value="NAS failures"' in html(console.get(NAS))
    console.post(NAS, {"name": "NAS"})
    assert savedfilters.of(operator) == [SavedFilter("NAS", "failed", "nas")]
    assert "Filter “NAS” deleted." in html(console.post(NAS, {"name": "NAS", "delete": "1"}, follow=True))
    assert savedfilters.of(operator) == []


def test_a_tab_without_a_search_needs_no_saving(console: Client) -> None:
    assert "Save this filter…" not in html(console.get(f"{LIST}?tab=failed"))


def test_nobody_sees_the_filters_of_somebody_else(console: Client, client: Client, other_staff: User) -> None:
    console.post(NAS, {"name": "my backup box"}, follow=True)
    other_staff.user_permissions.add(Permission.objects.get(codename="view_message"))
    client.force_login(other_staff)
    assert "my backup box" not in html(client.get(f"{LIST}?tab=failed&q=nas"))
    client.post(NAS, {"name": "NAS", "delete": "1"})
    assert savedfilters.of(User.objects.get(username="operator"))


def test_names_are_there_short_and_told_apart(console: Client, operator: User) -> None:
    assert "Enter a name." in html(console.post(NAS, {"name": "  "}))
    assert "40 characters at most" in html(console.post(NAS, {"name": "x" * 41}))
    console.post(NAS, {"name": "NAS"})
    assert "already have a filter" in html(console.post(f"{LIST}filter/?tab=sent&q=x", {"name": "nas"}))
    assert len(savedfilters.of(operator)) == 1


def test_an_operator_saves_so_many_at_most(operator: User) -> None:
    for number in range(savedfilters.MOST):
        savedfilters.save(operator, SavedFilter(f"f{number}", "all", str(number)))
    with pytest.raises(InvalidFields):
        savedfilters.save(operator, SavedFilter("one more", "all", "more"))
    savedfilters.save(operator, SavedFilter("renamed", "all", "3"))
    assert "renamed" in [one.name for one in savedfilters.of(operator)]


def test_who_may_not_see_messages_saves_nothing(client: Client, other_staff: User) -> None:
    client.force_login(other_staff)
    assert client.post(NAS, {"name": "NAS"}).status_code == 403
    assert savedfilters.of(other_staff) == []
