"""The help page, and the link to it on each page."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

import quazzar.urls  # noqa: F401  (apps add their pages to the console's)
from quazzar.console import site
from quazzar.console.help import entries as helppage
from quazzar.monitoring import doctor


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def test_it_has_many_symptoms_each_with_its_cause_and_its_fix() -> None:
    entries = [entry for chapter in helppage.chapters() for entry in chapter.entries]
    assert len(entries) >= 25
    assert all(len(entry.cause) > 30 and len(entry.fix) > 15 for entry in entries)
    slugs = [entry.slug for entry in entries] + [chapter.slug for chapter in helppage.chapters()]
    assert len(set(slugs)) == len(slugs)


def test_an_entry_without_its_fix_is_refused() -> None:
    (chapter,) = helppage.parse("# Help\n\n## Relay\n\n### It fails\n\nCause: a.\n\nFix: b\nc.\n")
    assert [(entry.symptom, entry.cause, entry.fix) for entry in chapter.entries] == [
        ("It fails", "a.", "b c.")
    ]
    with pytest.raises(ValueError, match="It fails"):
        helppage.parse("## Relay\n\n### It fails\n\nCause: a.\n")


def test_every_page_links_to_a_chapter_that_exists() -> None:
    there = {chapter.slug for chapter in helppage.chapters()}
    routes = [route.name or "" for route in site.PAGES]
    for label in ("quazzar", "mailrelay", "mailboxes", "dnsrecords", "auth"):
        routes += [
            f"{label}_{model._meta.model_name}_change" for model in apps.get_app_config(label).get_models()
        ]
    assert {helppage.chapter_of(route) for route in routes} <= there
    # Each chapter is for some page, but for those that none is about alone.
    assert {helppage.slug(title) for _, title in helppage.CHAPTERS} <= there
    shown = {
        "expected_reports": "expected-reports",
        "dns_domain": "dns",
        "mailrelay_message_changelist": "messages",
    }
    assert {route: helppage.chapter_of(route) for route in shown} == shown


def test_what_a_check_finds_is_explained_by_an_entry_or_a_chapter_that_exists() -> None:
    chapters = helppage.chapters()
    there = {chapter.title for chapter in chapters} | {
        entry.symptom for chapter in chapters for entry in chapter.entries
    }
    named = {check.help for check in doctor.registered() if check.help}
    assert len(named) >= 5 and named <= there, named - there


@pytest.mark.django_db
def test_the_link_stands_on_the_pages_and_leads_there(console: Client) -> None:
    page = console.get("/admin/expected/").content.decode()
    assert f'href="{reverse("admin:help")}#expected-reports"' in page
    told = console.get(reverse("admin:help")).content.decode()
    assert 'id="expected-reports"' in told and 'class="h-link"' not in told


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "found", "missing"),
    [
        ("", "The certificate has expired", "nothing"),
        ("spam folder", "Mail arrives in the spam folder", "The certificate has expired"),
        ("SENDGRID", "The relay refuses the username or password", "Two SPF records"),
        ("<b>", "Nothing found", "Two SPF records"),
    ],
)
def test_search_works_without_scripts(console: Client, asked: str, found: str, missing: str) -> None:
    page = console.get(reverse("admin:help"), {"q": asked}).content.decode()
    assert found in page and missing not in page
    assert asked not in page or asked != "<b>" or 'value="&lt;b&gt;"' in page


def test_marks_become_html_and_the_rest_is_escaped() -> None:
    assert helppage.inline("`a < b` **c** <i>") == "<code>a &lt; b</code> <b>c</b> &lt;i&gt;"


@pytest.mark.django_db
def test_it_is_there_when_the_licence_is_not(console: Client, plan: Any) -> None:
    plan("community")
    assert "The console is locked" in console.get(reverse("admin:help")).content.decode()
