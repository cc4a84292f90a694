"""Entries as sentences: every action of the code has one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from quazzar.auditlog import harmless, sentences
from quazzar.models import AuditEntry, OneTimeLink

ROOT = Path(__file__).resolve().parents[3]
APPS = ("quazzar", "mailrelay", "mailboxes", "dnsrecords")
_ACTION = re.compile(r"[a-z_]+\.[a-z0-9_]+")
#: Written with f-strings: see signins.py, and joining/links.py.
WITH_F = {f"operator.{purpose}_used" for purpose in OneTimeLink.Purpose.values} | {
    f"operator.{what}"
    for what in ("signed_in", "signed_out", "sign_in_failed", "second_factor_failed", "locked_out")
}


def recording_modules() -> Iterator[ast.Module]:
    """Modules that write to the audit log."""
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            text = path.read_text()
            if "audit.record" in text or "_note(" in text:
                yield ast.parse(text)


def recorded_actions() -> set[str]:
    """Every action that the code can record: each text like one in a module that records, but for module names."""
    subjects = {name.partition(".")[0] for name in sentences.RENDERERS}
    found = {
        node.value
        for tree in recording_modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ACTION.fullmatch(node.value)
    }
    first = {
        str(call.args[0].value)
        for tree in recording_modules()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func) == "audit.record"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    return {action for action in found if action.partition(".")[0] in subjects} | first | WITH_F


def entry(action: str, target: str = "x", actor: str = "user:anna", **more: object) -> AuditEntry:
    return AuditEntry(actor=actor, action=action, target=target, **more)


@pytest.mark.slow
def test_every_action_of_the_code_has_a_sentence_and_every_sentence_an_action() -> None:
    assert len(recorded_actions()) > 40
    assert recorded_actions() - sentences.RENDERERS.keys() == set()
    assert sentences.RENDERERS.keys() - recorded_actions() == set()


def test_every_sentence_can_be_said() -> None:
    for action in sentences.RENDERERS:
        text = str(sentences.sentence(entry(action, "nas.lab", fields=["host", "dkim_keys"])))
        assert text.startswith("anna ") and not text.endswith("."), action
        assert "{" not in text, text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (entry("relay.changed", fields=["host", "port"]), "anna changed the relay settings: host, port"),
        (entry("relay.changed", actor="key:nas (anna)"), "API key nas changed the relay settings"),
        (entry("relay.changed", actor="key:a (b) (anna)"), "API key a (b) changed the relay settings"),
        (entry("license.installed", "pro", "command:x"), "manage.py x installed a licence for Orbit Pro"),
        (entry("domain.dkim_rotated", "lab.test", "system"), "Quazzar switched lab.test to its new DKIM key"),
        (entry("message.retried", "<1@x>"), "anna retried message <1@x>"),
        (entry("message.retried", "3 messages"), "anna retried 3 messages"),
        (entry("operator.changed", "anna", fields=["password"]), "anna changed their own password"),
        (entry("operator.changed", "bob", fields=["password"]), "anna set a new password for bob"),
        (entry("operator.changed", "bob", fields=["is_active"]), "anna changed the operator “bob”: can sign in"),
        (
            entry("operator.sign_in_failed", "anna", "anonymous", address="203.0.113.7"),
            "Somebody at 203.0.113.7 failed to sign in as anna",
        ),
        (
            entry("operator.sign_in_failed", "anna"),
            "anna was asked for their password again and typed a wrong one",
        ),
        (
            entry("operator.locked_out", sentences.UNKNOWN, "anonymous", address="2001:db8::1"),
            "Somebody at 2001:db8::1 was locked out after too many failed sign-ins",
        ),
        (
            entry("operator.sign_in_failed", sentences.UNKNOWN, "anonymous", address="203.0.113.7"),
            "Somebody at 203.0.113.7 tried to sign in with a name that does not exist",
        ),
        (entry("operator.refused", "GET /admin/x/"), "anna was not allowed to open /admin/x/"),
        (entry("operator.refused", "GET /api/x/"), "anna was not allowed to read /api/x/"),
        (
            entry("operator.refused", "POST /admin/x/"),
            "anna was not allowed to make a change: POST /admin/x/",
        ),
        (entry("relay.update", "relay", fields=["host"]), "anna recorded “relay update” for relay: host"),
    ],
)  # fmt: skip
def test_who_did_what(row: AuditEntry, said: str) -> None:
    assert str(sentences.sentence(row)) == said


def test_values_are_told_in_words() -> None:
    changes = {
        "can_send": [True, False],
        "forward_to": [[], ["a@x", "b@x"]],
        "host": ["", "mx"],
        "port": [None, 25],
    }
    assert [
        (each.field, each.before, each.after) for each in sentences.values(entry("x.y", changes=changes))
    ] == [
        ("can send", "on", "off"),
        ("forward to", "none", "a@x, b@x"),
        ("host", "none", "mx"),
        ("port", "none", "25"),
    ]


def test_harmless_values_are_kept_and_all_others_dropped() -> None:
    changes = {
        "host": ("a", "b"),
        "username": ("token", "other"),
        "password": ("old", "new"),
        "secret": (1, 2),
    }
    assert harmless.kept("relay.changed", changes) == {"host": ["a", "b"]}
    assert harmless.kept("unheard.of", changes) == {}


def test_no_name_of_a_secret_is_called_harmless() -> None:
    named = {name for fields in harmless.HARMLESS.values() for name in fields}
    assert not {
        name for name in named if re.search(r"password|secret|token|hash|digest|private|username_|body", name)
    }
    assert "username" not in harmless.HARMLESS["relay"]


def test_long_values_are_cut() -> None:
    kept = harmless.kept("alias.changed", {"destinations": ([], [f"{n}@x" for n in range(30)])})
    assert kept["destinations"][1][-1] == "and 10 more"
    assert len(harmless.kept("relay.changed", {"host": ("", "x" * 999)})["host"][1]) == 200
