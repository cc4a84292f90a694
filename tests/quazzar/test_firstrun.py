"""`manage.py firstrun`: makes what is missing, once."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory

from quazzar.management.commands import firstrun
from quazzar.models import AuditEntry
from quazzar.plans import licenses
from quazzar.sealing import keyring

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_node(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.QUAZZAR_DATA_DIR = tmp_path
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"
    settings.QUAZZAR_LICENSE_FILE = tmp_path / "license.jwt"
    settings.QUAZZAR_LICENSE_PUBLIC_KEY = ""
    settings.STATIC_ROOT = tmp_path / "static"
    monkeypatch.delenv("QUAZZAR_SECRETS_KEY_FILE", raising=False)
    # Tables are there already, and static files take seconds: one test asks for both.
    monkeypatch.setattr(firstrun, "call_command", lambda *_, **__: None)
    return tmp_path


def run() -> str:
    out = StringIO()
    call_command("firstrun", port=8123, stdout=out)
    return out.getvalue()


def printed(name: str, text: str) -> str:
    match = re.search(rf"^  {name} +(\S+)", text, re.MULTILINE)
    assert match, text
    return match[1]


@pytest.mark.slow
def test_the_operator_can_sign_in_with_what_is_printed() -> None:
    text = run()
    assert printed("Console", text) == "http://127.0.0.1:8123/"
    credentials = {"username": printed("Name", text), "password": printed("Password", text)}
    user = authenticate(RequestFactory().post("/"), **credentials)
    assert user is not None
    assert (user.get_username(), user.is_superuser, user.is_staff) == ("operator", True, True)


def test_the_printed_password_is_for_one_sign_in(fresh_node: Path, client: Client) -> None:
    (fresh_node / "static").mkdir()
    typed = {"username": "operator", "password": printed("Password", run())}
    client.post("/admin/login/", typed)
    assert client.get("/admin/")["Location"] == "/admin/first-sign-in/"


def test_the_password_is_printed_once_and_a_second_run_changes_nothing(fresh_node: Path) -> None:
    password = printed("Password", run())
    kept = {name: (fresh_node / name).read_bytes() for name in ("secrets.key", "license.jwt")}
    again = run()
    assert "Password" not in again
    assert password not in again
    assert {name: (fresh_node / name).read_bytes() for name in kept} == kept
    assert get_user_model().objects.get().check_password(password)


def test_a_node_that_has_a_superuser_gets_no_other() -> None:
    get_user_model().objects.create_superuser("ada", password="x")
    assert "Password" not in run()
    assert get_user_model().objects.get().get_username() == "ada"


def test_a_lesser_user_of_that_name_is_left_alone() -> None:
    user = get_user_model().objects.create_user("operator", password="theirs")
    assert "manage.py createsuperuser" in run()
    user.refresh_from_db()
    assert user.check_password("theirs")
    assert not user.is_superuser


def test_an_evaluation_licence_is_in_force() -> None:
    assert "pro, an evaluation for 30 days" in run()
    assert licenses.read().plan.id == "pro"


def test_a_licence_that_is_there_stays_even_when_it_is_no_good(fresh_node: Path) -> None:
    (fresh_node / "license.jwt").write_text("expired or broken\n")
    assert "evaluation" not in run()
    assert (fresh_node / "license.jwt").read_text() == "expired or broken\n"


def test_where_only_a_vendors_licence_counts_none_is_made(settings: Settings) -> None:
    settings.QUAZZAR_LICENSE_PUBLIC_KEY = "a vendor's key"
    assert "evaluation" not in run()


def test_it_says_so_when_the_key_file_had_to_go_into_the_data_dir(fresh_node: Path) -> None:
    text = run()
    assert printed("Key file", text) == str(fresh_node / "secrets.key")
    assert "It is in the data dir because this user cannot write /etc/quazzar/secrets.key." in text


def test_a_key_file_where_the_operator_wants_it_needs_no_explanation(
    fresh_node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUAZZAR_SECRETS_KEY_FILE", str(fresh_node / "secrets.key"))
    assert "because" not in run()


def test_a_key_file_that_others_can_read_stops_it_with_a_sentence() -> None:
    keyring.current()
    keyring.path().chmod(0o644)
    with pytest.raises(CommandError, match="chmod 600"):
        run()
    assert not get_user_model().objects.exists()


@pytest.mark.slow
def test_tables_and_static_files_are_there_afterwards(
    fresh_node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firstrun, "call_command", call_command)
    run()
    assert (fresh_node / "static" / "staticfiles.json").is_file()


def test_it_is_in_the_audit_log_without_the_password() -> None:
    password = printed("Password", run())
    rows = list(AuditEntry.objects.filter(actor="command:firstrun"))
    assert "operator.created" in {row.action for row in rows}
    assert password not in str([vars(row) for row in rows])


def test_passwords_are_long_and_never_the_same() -> None:
    passwords = {firstrun.new_password() for _ in range(100)}
    assert len(passwords) == 100
    assert all(re.fullmatch(r"[a-z2-9]{4}(-[a-z2-9]{4}){4}", password) for password in passwords)
