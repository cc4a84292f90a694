"""The export: everything but secrets, no formulas, and taken again by the import as it is."""

from __future__ import annotations

import csv
import io

import pytest
from django.utils import timezone

from mailboxes.csvfiles import exporting, importing
from mailboxes.models import Mailbox
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "'=1", "''@x", "＝1"]
HARMLESS = ["", "Ada", "'quoted'", "a=b", 'say "hi", twice', "O'Hara", "Zoë ☕"]


def exported() -> list[list[str]]:
    return list(csv.reader(io.StringIO("".join(exporting.export()), newline="")))


def test_it_has_the_mailboxes_that_are_there_by_address() -> None:
    factories.mailbox("bob@example.com", enabled=False)
    factories.mailbox("ada@example.com", quota_mb=5, display_name="Ada", password_hash="{ARGON2ID}$secret")
    factories.mailbox("gone@example.com", deleted_at=timezone.now())
    assert exported() == [
        ["address", "quota_mb", "display_name", "enabled"],
        ["ada@example.com", "5", "Ada", "true"],
        ["bob@example.com", "0", "", "false"],
    ]


def test_it_comes_line_by_line() -> None:
    lines = exporting.export()
    factories.mailbox()
    assert next(lines) == "address,quota_mb,display_name,enabled\r\n"
    assert next(lines) == "ada@example.com,0,,true\r\n"


def test_what_would_be_a_formula_gets_an_apostrophe_and_loses_it_again() -> None:
    for name in FORMULAS:
        assert exporting.guarded(name) == f"'{name}"
        assert exporting.unguarded(exporting.guarded(name)) == name


def test_what_is_no_formula_stays() -> None:
    for name in HARMLESS:
        assert exporting.guarded(name) == exporting.unguarded(name) == name


def test_the_import_takes_it_as_it_is() -> None:
    for number, name in enumerate([*FORMULAS, *HARMLESS]):
        factories.mailbox(
            f"box{number}@example.com", display_name=name, quota_mb=number, enabled=number % 2 == 0
        )
    before = {row.address: (row.display_name, row.quota_mb, row.enabled) for row in Mailbox.objects.all()}
    data = "".join(exporting.export()).encode()
    Mailbox.objects.all().delete()
    plan = importing.check(data)
    assert {row.address: (row.display_name, row.quota_mb, row.enabled) for row in plan.rows} == before
