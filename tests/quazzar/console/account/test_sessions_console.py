"""Where an operator is signed in, and signing out there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from quazzar.access import agents
from quazzar.models import AuditEntry, Session
from tests.quazzar.console.account.people import enter, is_in

pytestmark = pytest.mark.django_db
PAGE, OTHERS = "/admin/account/", "/admin/account/sessions/end-others/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 "
    "Safari/537.36 Edg/141.0.0.0"
)


def browser(agent: str, address: str, name: str = "operator", password: str = "operator-pass") -> Client:
    client = Client(REMOTE_ADDR=address, headers={"user-agent": agent})
    enter(client, name, password)
    return client


def key_of(user: User, address: str) -> str:
    return Session.objects.get(user=user, address=address).session_key


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        (EDGE.replace(" Edg/141.0.0.0", ""), "Chrome on Windows"),
        ("curl/8.1", "curl"),
        ("", "a browser"),
        ("<script>", "a browser"),
    ],
)
def test_browsers_are_named_in_words(agent: str, said: str) -> None:
    assert agents.in_words(agent) == said
    assert agents.is_handheld(agent) == (agent == IPHONE)


def test_the_page_lists_sessions_with_device_and_address_and_marks_this_one(operator: User) -> None:
    here = browser(FIREFOX, "203.0.113.5")
    browser(IPHONE, "198.51.100.7")
    page = here.get(PAGE).content.decode()
    assert page.count("This one") == 1
    assert page.index("Firefox on Linux") < page.index("This one") < page.index("Safari on iPhone")
    assert "203.0.113.5" in page and "198.51.100.7" in page
    assert here.cookies["quazzar_session"].value not in page


@pytest.mark.slow
def test_sign_out_everywhere_else_leaves_this_one(operator: User, other_staff: User) -> None:
    here, there = browser(FIREFOX, "203.0.113.5"), browser(IPHONE, "198.51.100.7")
    somebody = browser(EDGE, "192.0.2.1", "other", "other-pass")
    assert here.get(OTHERS).status_code == 302 and is_in(there)
    here.post(OTHERS)
    assert is_in(here) and not is_in(there) and is_in(somebody)
    assert "operator.signed_out_elsewhere" in AuditEntry.objects.values_list("action", flat=True)
    before = AuditEntry.objects.count()
    here.post(OTHERS)
    assert AuditEntry.objects.count() == before


def test_one_session_is_ended_alone(operator: User) -> None:
    here, there = browser(FIREFOX, "203.0.113.5"), browser(IPHONE, "198.51.100.7")
    third = browser(EDGE, "192.0.2.1")
    here.post(f"/admin/account/sessions/{key_of(operator, '198.51.100.7')}/end/")
    assert is_in(here) and not is_in(there) and is_in(third)


@pytest.mark.slow
def test_an_owner_ends_sessions_of_others_and_of_nobody_who_may_do_more(
    operator: User, other_staff: User, outsider: User
) -> None:
    other_staff.groups.add(Group.objects.get(name="Owner"))
    User.objects.filter(pk=outsider.pk).update(is_staff=True)
    owner = browser(EDGE, "192.0.2.1", "other", "other-pass")
    boss, viewer = (
        browser(FIREFOX, "203.0.113.5"),
        browser(IPHONE, "198.51.100.7", "outsider", "outsider-pass"),
    )
    boss_key, key = key_of(operator, "203.0.113.5"), key_of(outsider, "198.51.100.7")
    assert owner.post(f"/admin/account/sessions/{boss_key}/end/").status_code == 403
    assert owner.post(f"/admin/auth/user/{operator.pk}/sign-out/").status_code == 403
    assert viewer.post(f"/admin/account/sessions/{key_of(other_staff, '192.0.2.1')}/end/").status_code == 403
    assert viewer.post(f"/admin/auth/user/{other_staff.pk}/sign-out/").status_code == 403
    assert is_in(boss) and is_in(owner)
    owner.post(f"/admin/account/sessions/{key}/end/")
    assert not is_in(viewer)
    enter(viewer, "outsider", "outsider-pass")
    owner.post(f"/admin/auth/user/{outsider.pk}/sign-out/")
    assert not is_in(viewer)


def test_when_a_session_was_used_is_noted_once_a_minute_and_when_it_began_stays(
    operator: User, django_assert_num_queries: Any
) -> None:
    here = browser(FIREFOX, "203.0.113.5")
    row = Session.objects.get()
    long_ago = timezone.now() - timedelta(hours=3)
    Session.objects.update(last_seen_at=long_ago, created_at=long_ago)
    here.get("/admin/tables/", REMOTE_ADDR="203.0.113.99")
    row.refresh_from_db()
    assert row.last_seen_at > long_ago + timedelta(hours=2) and row.created_at == long_ago
    assert row.address == "203.0.113.99"
    seen = row.last_seen_at
    here.get("/admin/tables/")
    row.refresh_from_db()
    assert row.last_seen_at == seen
    here.post(PAGE, {"first_name": "x", "email": ""})
    row.refresh_from_db()
    assert row.created_at == long_ago


def test_sessions_of_nobody_and_expired_ones_are_not_listed(operator: User) -> None:
    here = browser(FIREFOX, "203.0.113.5")
    browser(IPHONE, "198.51.100.7")
    Session.objects.filter(address="198.51.100.7").update(expire_date=timezone.now())
    assert "Safari" not in here.get(PAGE).content.decode()
    Session.objects.filter(address="203.0.113.5").update(user=None)
    assert "This one" not in here.get(PAGE).content.decode()


def test_a_new_password_and_a_deleted_operator_end_the_sessions(operator: User, other_staff: User) -> None:
    there = browser(IPHONE, "198.51.100.7", "other", "other-pass")
    other_staff.delete()
    assert (
        not is_in(there) and not Session.objects.filter(address="198.51.100.7", user__isnull=False).exists()
    )
