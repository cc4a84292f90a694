"""The export: everything but secrets, no formulas, and taken again by the import as it is."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.csvfiles import exporting, importing
from mailboxes.models import Mailbox
from quazzar import spreadsheets
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db

HEADER = (
    *("address", "quota_mb", "display_name", "enabled"),
    *("can_send", "can_receive", "keep_copy", "forward_to"),
)
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "'=1", "''@x", "＝1"]
#: Spreadsheets that split at a semicolon or a tab begin a cell within these.
HIDDEN = {
    "x;=1+1": "x;'=1+1",
    "x; =1+1": "x; '=1+1",
    "x\t@SUM(A1)": "x\t'@SUM(A1)",
    "x\r-1": "x\r'-1",
    "x\n+1": "x\n'+1",
    'x";=1+1;"': 'x";\'=1+1;"',
    'x;"=1+1': "x;\"'=1+1",
    "x;'=1;=2": "x;''=1;'=2",
    "\t=1": "\t'=1",
    " =1": " '=1",
    '"=1': "\"'=1",
    ";;=1": ";;'=1",
    "\r\n=1": "\r\n'=1",
}
HARMLESS = ["", "Ada", "'quoted'", "a=b", 'say "hi", twice', "O'Hara", "Zoë ☕", "a;b", "x;'y", "1;2"]


#: A display name has no tab, no line break, and no space around it.
HIDDEN_ON_ONE_LINE = [name for name in HIDDEN if name.isprintable() and name == name.strip()]


def exported() -> list[list[str]]:
    return list(csv.reader(io.StringIO("".join(exporting.export()), newline="")))


def test_it_has_the_mailboxes_that_are_there_by_address() -> None:
    factories.mailbox("bob@example.com", enabled=False)
    factories.mailbox("ada@example.com", quota_mb=5, display_name="Ada", password_hash="{ARGON2ID}$secret")
    factories.mailbox("gone@example.com", deleted_at=timezone.now())
    assert exported() == [
        [*HEADER],
        ["ada@example.com", "5", "Ada", "true", "true", "true", "true", ""],
        ["bob@example.com", "0", "", "false", "true", "true", "true", ""],
    ]


def test_it_comes_line_by_line() -> None:
    lines = exporting.export()
    factories.mailbox()
    assert next(lines) == ",".join(f'"{name}"' for name in HEADER) + "\r\n"
    assert next(lines) == '"ada@example.com","0","","true","true","true","true",""\r\n'


def test_what_would_be_a_formula_gets_an_apostrophe_and_loses_it_again() -> None:
    for name in FORMULAS:
        assert spreadsheets.guarded(name) == f"'{name}"
        assert spreadsheets.unguarded(spreadsheets.guarded(name)) == name
    for name, guarded in HIDDEN.items():
        assert spreadsheets.guarded(name) == guarded
        assert spreadsheets.unguarded(guarded) == name


@given(st.text("=+-@;\t\r\n'\" x,", max_size=12))
def test_guarding_can_be_undone_and_leaves_no_formula(text: str) -> None:
    guarded = spreadsheets.guarded(text)
    assert spreadsheets.unguarded(guarded) == text
    assert not [
        cell for cell in re.split(r"[;\t\r\n]", guarded) if cell.strip('" ').startswith(tuple("=+-@"))
    ]


def test_an_address_comes_back_as_it_was() -> None:
    factories.mailbox("'-x@example.com")
    assert exported()[1][0] == "''-x@example.com"
    data = "".join(exporting.export()).encode()
    Mailbox.objects.all().delete()
    assert [row.address for row in importing.check(data).rows] == ["'-x@example.com"]


def test_what_is_no_formula_stays() -> None:
    for name in HARMLESS:
        assert spreadsheets.guarded(name) == spreadsheets.unguarded(name) == name


def test_the_import_takes_it_as_it_is() -> None:
    for number, name in enumerate([*FORMULAS, *HARMLESS, *HIDDEN_ON_ONE_LINE]):
        factories.mailbox(
            f"box{number}@example.com", display_name=name, quota_mb=number, enabled=number % 2 == 0
        )
    before = {row.address: (row.display_name, row.quota_mb, row.enabled) for row in Mailbox.objects.all()}
    data = "".join(exporting.export()).encode()
    Mailbox.objects.all().delete()
    plan = importing.check(data)
    assert {row.address: (row.display_name, row.quota_mb, row.enabled) for row in plan.rows} == before


def test_forwarding_and_switches_come_back_as_they_were() -> None:
    factories.mailbox(
        "ada@example.com", forward_to=["bob@example.com", "=x@far.test", "o'neil@far.test"], keep_copy=False
    )
    factories.mailbox("bob@example.com", can_send=False)
    factories.mailbox("cleo@example.com", can_receive=False)
    assert exported()[1][-2:] == ["false", "bob@example.com =x@far.test o'neil@far.test"]
    columns = ("address", *Mailbox.switches(), "forward_to")
    before = {row[0]: row for row in Mailbox.objects.values_list(*columns)}
    data = "".join(exporting.export()).encode()
    Mailbox.objects.all().delete()
    importing.run(importing.start(data).pk)
    assert {row[0]: row for row in Mailbox.objects.values_list(*columns)} == before
