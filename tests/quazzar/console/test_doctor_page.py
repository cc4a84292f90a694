"""The Doctor page: its checks, checking again, and the history of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from quazzar.console.doctor.views import headline
from quazzar.models import Finding as Row
from quazzar.models import FindingChange
from quazzar.monitoring import doctor, findings
from quazzar.monitoring.doctor import Finding, Level, failed, ok
from quazzar.rights import MANAGE_OPERATORS

PAGE, CHECKS = "/admin/doctor/", "/admin/doctor/checks/"
AGAIN, HISTORY = "/admin/doctor/check/", "/admin/doctor/history/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def node(db: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """What the checks find; changing it changes what they find next."""
    monkeypatch.setattr(doctor, "_registered", {})
    found = {"disk": failed("1 MiB free.", "Make room."), "operators": ok("1 operator.")}
    doctor.register("disk", lambda: found["disk"], page="admin:mail_relay")
    doctor.register("operators", lambda: found["operators"], right=MANAGE_OPERATORS)
    findings.look()
    return found


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def shown(client: Client, path: str = PAGE, **query: str) -> str:
    return " ".join(client.get(path, query).content.decode().split())


def test_each_check_has_its_word_sentence_advice_and_a_link(
    console: Client, node: dict[str, Finding]
) -> None:
    page = shown(console)
    assert "1 problem." in page
    for words in ("Failed", "1 MiB free.", "Make room.", "checked just now", 'href="/admin/mail-relay/"'):
        assert words in page
    assert page.index("Needs attention") < page.index("1 MiB free.") < page.index("Working")
    assert page.index("Working") < page.index("1 operator.")


def test_what_is_wrong_leads_to_its_entry_of_the_help_page(console: Client, node: dict[str, Finding]) -> None:
    doctor.register("disk", lambda: node["disk"], help="The disk is nearly full")
    assert 'href="/admin/help/#the-disk-is-nearly-full"' in shown(console)
    doctor.register("disk", lambda: node["disk"], page="admin:mail_relay")
    assert 'href="/admin/help/#relay"' in shown(console)
    node["disk"] = ok("Much is free.")
    findings.look(["disk"])
    assert 'id="help-disk"' not in shown(console)


def test_what_the_operator_may_not_see_is_left_out(
    client: Client, other_staff: User, node: dict[str, Finding]
) -> None:
    client.force_login(other_staff)
    page = shown(client)
    assert "1 MiB free." in page
    assert "1 operator." not in page
    assert 'href="/admin/mail-relay/"' not in page  # nor a page that would only refuse
    assert client.get(HISTORY, {"name": "operators"}).status_code == 404
    client.post(AGAIN, {"name": "operators"})
    assert Row.objects.get(check_name="operators").sentence == "1 operator."


def test_it_is_open_on_every_plan(
    console: Client, node: dict[str, Finding], plan: Callable[[str], None]
) -> None:
    plan("community")
    assert "1 MiB free." in shown(console)
    assert console.get(CHECKS, headers=HTMX).status_code == 200


def test_checking_again_shows_what_is_found_now_and_says_it(
    console: Client, node: dict[str, Finding]
) -> None:
    node["disk"] = ok("9 GiB free.")
    assert "1 MiB free." in shown(console)
    answer = console.post(AGAIN, {"name": "disk"}, headers=HTMX).content.decode()
    assert "All checks pass." in answer
    assert "Disk: OK. 9 GiB free." in answer
    assert console.post(AGAIN, {})["Location"] == PAGE  # without scripts
    assert console.get(AGAIN)["Location"] == PAGE


def test_checking_again_has_what_the_check_reads_looked_at_anew(
    console: Client, node: dict[str, Finding]
) -> None:
    looked: list[str] = []
    doctor.register("dns", lambda: ok(f"{len(looked)} looks."), again=lambda: looked.append("dns"))
    console.post(AGAIN, {"name": "disk"}, headers=HTMX)
    assert not looked
    console.post(AGAIN, {}, headers=HTMX)
    assert Row.objects.get(check_name="dns").sentence == "1 looks."


def test_the_list_is_sent_again_only_when_it_has_changed(console: Client, node: dict[str, Finding]) -> None:
    answer = console.get(CHECKS, headers=HTMX).content.decode()
    seen = answer.split('value="', 1)[1].split('"', 1)[0]
    assert console.get(CHECKS, {"seen": seen}, headers=HTMX).status_code == 204
    node["disk"] = ok("9 GiB free.")
    findings.look({"disk"})
    assert "9 GiB free." in console.get(CHECKS, {"seen": seen}, headers=HTMX).content.decode()


def test_the_history_has_the_latest_changes(console: Client, node: dict[str, Finding]) -> None:
    node["disk"] = ok("9 GiB free.")
    findings.look({"disk"})
    history = shown(console, HISTORY, name="disk")
    assert history.index("9 GiB free.") < history.index("1 MiB free.")
    FindingChange.objects.all().delete()
    assert "No changes since" in shown(console, HISTORY, name="disk")


def test_what_a_dead_worker_left_behind_is_not_shown_as_well(
    console: Client, node: dict[str, Finding]
) -> None:
    Row.objects.update(checked_at=timezone.now() - timedelta(minutes=7))
    page = shown(console)
    assert "Not checked for 7 min. Last result: 1 operator." in page
    assert "checked 7 min ago" in page
    assert "Working" not in page


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([], "All checks pass."),
        (["failed"], "1 problem."),
        (["failed", "failed", "warning"], "2 problems, 1 warning."),
        (["unknown", "unknown"], "2 checks without a result."),
    ],
)
def test_the_headline_counts(wrong: list[str], sentence: str) -> None:
    assert headline([Level(level) for level in wrong]) == sentence


def test_what_many_checks_find_alike_is_said_once(console: Client, node: dict[str, Finding]) -> None:
    for name in ("certificate", "mail disk", "addresses", "mail images"):
        doctor.register(name, lambda: doctor.idle("The mail server is not enabled."))
    findings.look()
    page = shown(console)
    assert page.count("The mail server is not enabled.") == 1
    assert "Not checked: Certificate, Mail disk, Addresses, Mail images." in page


def test_what_has_nothing_to_check_is_not_shown_as_ok(console: Client, node: dict[str, Finding]) -> None:
    doctor.register("backups", lambda: doctor.idle("No backup was made yet."))
    findings.look()
    page = shown(console)
    _, idle = page.split('id="idle-title">Nothing to check</h2>')
    assert 'd-check q-off"' in idle and "No backup was made yet." in idle
    assert '<h3 class="d-name">Backups</h3>' in idle
    history = console.get("/admin/doctor/history/", {"name": "backups"}).content.decode()
    assert "Nothing to check" in history


def test_nothing_grows_with_the_history(
    console: Client, node: dict[str, Finding], django_assert_max_num_queries: Callable[[int], object]
) -> None:
    console.get(PAGE)
    with django_assert_max_num_queries(8):  # type: ignore[attr-defined]
        console.get(PAGE)


def test_the_stored_results_and_their_filters_are_in_the_words_of_the_page(
    console: Client, node: dict[str, Finding]
) -> None:
    page = shown(console, "/admin/quazzar/finding/", level="failed")
    assert "Failed" in page and "Disk" in page and "1 operator." not in page
    assert ">failed<" not in page and ">node<" not in page and "This server" in page
    Row.objects.update(sentence="Late since 2026-11-30 15:47 UTC.")
    assert "<span>Late since <time" in shown(console, "/admin/quazzar/finding/")
