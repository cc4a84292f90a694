"""The addresses that every mail server must have lead to the people who run it."""

from __future__ import annotations

from typing import Any

import pytest

from mailboxes.push import render, snapshots
from mailboxes.push.entries import DomainEntry, Snapshot
from mailrelay.models import RelaySettings
from tests.mailboxes import factories
from tests.mailboxes.goldencases import ADA, BOB, box, snapshot_of
from tests.mailboxes.readers import postfix_table

OPERATOR = "op@elsewhere.example"


def aliases(snapshot: Snapshot) -> dict[str, str]:
    return dict(postfix_table(render.aliases_table(snapshot)))


def run(*mailboxes: Any, operators: tuple[str, ...] = (OPERATOR,), **more: Any) -> dict[str, str]:
    return aliases(snapshot_of(*mailboxes, hostname="mail.example.com", operators=operators, **more))


def test_role_addresses_and_what_postfix_completes_have_rows() -> None:
    rows = run()
    names = (
        *(f"{name}@example.com" for name in ("postmaster", "abuse")),
        *(f"{name}@mail.example.com" for name in ("postmaster", "abuse", "root", "double-bounce")),
    )
    assert {name: rows.get(name) for name in names} == dict.fromkeys(names, OPERATOR)
    # Its presence declares the domain to Postfix, which refuses every other name in it.
    assert rows.keys() == {*names, "mail.example.com"}


def test_a_mailbox_or_alias_of_that_name_keeps_its_mail() -> None:
    rows = run(box("postmaster@example.com"), ADA, aliases={"root@mail.example.com": ("ada@example.com",)})
    assert rows["postmaster@example.com"] == "postmaster@example.com"
    assert rows["root@mail.example.com"] == "ada@example.com"


def test_a_catch_all_keeps_the_mail_of_its_domain() -> None:
    domains = (
        DomainEntry("example.com", catch_all="ada@example.com"),
        DomainEntry("mail.example.com", catch_all="ada@example.com"),
    )
    rows = run(ADA, domains=domains)
    assert OPERATOR not in rows.values()
    assert "mail.example.com" not in rows


def test_a_host_name_that_is_a_mail_domain_is_declared_once() -> None:
    rows = run(domains=(DomainEntry("mail.example.com"),))
    assert "mail.example.com" not in rows
    assert rows["double-bounce@mail.example.com"] == OPERATOR


def test_an_operator_who_cannot_be_reached_gets_no_row() -> None:
    assert run(BOB, operators=("gone@example.com", "root@mail.example.com")) == {
        "bob@example.com": "bob@example.com"
    }
    assert run(BOB, operators=("gone@example.com", "bob@example.com"))["postmaster@example.com"] == (
        "bob@example.com"
    )


# --- who they are ------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_operators_are_the_alert_recipients_else_superusers_else_the_oldest_mailbox(
    django_user_model: Any,
) -> None:
    assert snapshots.take().snapshot.operators == ()
    factories.mailbox("closed@example.com", can_receive=False)
    factories.mailbox("first@example.com")
    factories.mailbox("second@example.com")
    assert snapshots.take().snapshot.operators == ("first@example.com",)
    django_user_model.objects.create_superuser("no-address", "")
    django_user_model.objects.create_superuser("odd", "not an address")
    assert snapshots.take().snapshot.operators == ("first@example.com",)
    django_user_model.objects.create_superuser("boss", "Boss@Example.net")
    assert snapshots.take().snapshot.operators == ("boss@example.net",)
    RelaySettings.objects.create(pk=1, alert_recipients=["Ops <ops@example.net>", "b@example.net"])
    assert snapshots.take().snapshot.operators == ("ops@example.net", "b@example.net")
