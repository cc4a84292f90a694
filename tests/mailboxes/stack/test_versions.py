"""Which versions run, compared with the tested ones, and which have to be replaced."""

from __future__ import annotations

import pytest

from mailboxes import upkeep
from mailboxes.engine.values import Result
from mailboxes.models import Stack
from mailboxes.monitoring import mailflow
from mailboxes.stack import versions
from quazzar.monitoring.doctor import Level
from tests.mailboxes.stackengine import StackEngine

pytestmark = pytest.mark.django_db


def test_what_the_containers_report_is_stored_at_the_first_look(up: StackEngine) -> None:
    assert "not known yet" in mailflow.images().sentence
    upkeep.watch_queue()
    assert Stack.load().versions == {"postfix": "3.10.4", "dovecot": "2.4.5", "rspamd": "4.1.5"}
    found = mailflow.images()
    assert found.level == Level.OK
    assert "Postfix 3.10.4, tested; Dovecot 2.4.5, newer than the tested 2.4.1" in found.sentence


@pytest.mark.parametrize(
    ("reported", "running"),
    [
        (b"Rspamd daemon version 3.12.1\n\nCPU architecture x86_64; features: avx2\n", "3.12.1"),
        (b"Rspamd daemon version 4.2\n", "4.2"),
        (b"", None),
        (b"no version\n", None),
    ],
)
def test_the_number_is_found_in_what_is_said(up: StackEngine, reported: bytes, running: str | None) -> None:
    up.reply("rspamd", "--version", with_=Result(0, reported))
    versions.refresh(up)
    assert Stack.load().versions.get("rspamd") == running


@pytest.mark.parametrize(
    ("running", "compared", "is_safe"),
    [
        ("3.12.1", "tested", False),
        ("3.11.9", "older", False),
        ("4.1.0", "newer", False),
        ("4.1.4", "newer", False),
        ("4.1.5", "newer", True),
        ("4.1.10", "newer", True),
        ("4.2", "newer", True),
        ("10.0.0", "newer", True),
    ],
)
def test_rspamd_before_4_1_5_is_a_failure(
    up: StackEngine, running: str, compared: str, is_safe: bool
) -> None:
    Stack.objects.update(versions={"rspamd": running})
    (found,) = [version for version in versions.read(Stack.load()) if version.service == "rspamd"]
    assert (found.compared, found.danger == "") == (compared, is_safe)
    assert (mailflow.images().level == Level.OK) is is_safe
