"""/api/mail/stack/certificate and /api/mail/stack/controller-password: what goes in, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from mailboxes.certificates import pem as certificates
from mailboxes.models import Stack
from quazzar.models import AuditEntry
from tests.contract.answers import STACK, error, is_time, ok, wrong

HOST = "mail.example.com"
CERTIFICATE, PASSWORD = f"{STACK}/certificate", f"{STACK}/controller-password"
KEYS = {"source", "names", "expires_at", "warnings", "certificate", "certificate_path", "key_path"}
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _enabled(api: APIClient) -> None:
    """The stack has a name, a certificate and a password."""
    ok(api.post(f"{STACK}/enable", {"hostname": HOST}), 202)


@pytest.fixture
def pair() -> dict[str, str]:
    """Another certificate and its key."""
    certificate, key = certificates.self_signed(HOST)
    return {"certificate": certificate, "key": key}


@pytest.fixture
def files(pair: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """The same as files on this machine."""
    for name, text in pair.items():
        (tmp_path / name).write_text(text)
    yield {"certificate_path": str(tmp_path / "certificate"), "key_path": str(tmp_path / "key")}


# --- the certificate ---------------------------------------------------------------------------------------
def test_the_certificate_is_shown_without_its_key(api: APIClient) -> None:
    response = api.get(CERTIFICATE)
    shown = ok(response)
    assert shown.keys() == KEYS
    assert (shown["source"], shown["names"], shown["certificate_path"]) == ("self_signed", [HOST], "")
    assert shown["certificate"].startswith("-----BEGIN CERTIFICATE-----") and is_time(shown["expires_at"])
    assert b"PRIVATE" not in response.content and shown["warnings"]
    short = ok(api.get(STACK))["certificate"]
    assert short == {name: shown[name] for name in ("source", "names", "expires_at", "warnings")}


def test_an_uploaded_pair_takes_its_place(api: APIClient, pair: dict[str, str]) -> None:
    generation = Stack.load().desired_generation
    response = api.put(CERTIFICATE, pair)
    assert (ok(response)["source"], ok(response)["certificate"]) == ("uploaded", pair["certificate"])
    assert ok(api.get(CERTIFICATE)) == ok(response)
    assert b"PRIVATE" not in response.content and Stack.load().desired_generation > generation


def test_files_take_its_place_and_self_signed_comes_back(api: APIClient, files: dict[str, str]) -> None:
    shown = ok(api.put(CERTIFICATE, files))
    assert (shown["source"], shown["certificate_path"], shown["key_path"]) == ("files", *files.values())
    shown = ok(api.put(CERTIFICATE, {"self_signed": True}))
    assert (shown["source"], shown["names"], shown["certificate_path"]) == ("self_signed", [HOST], "")


def test_a_certificate_for_another_name_is_taken_with_a_warning(api: APIClient) -> None:
    certificate, key = certificates.self_signed("other.example.com")
    shown = ok(api.put(CERTIFICATE, {"certificate": certificate, "key": key}))
    assert shown["names"] == ["other.example.com"]
    assert any(HOST in warning for warning in shown["warnings"])


def test_a_binary_certificate_is_refused_with_the_command_that_converts_it(
    api: APIClient, pair: dict[str, str]
) -> None:
    for field, command in (("certificate", "openssl x509 -inform der"), ("key", "openssl pkey -inform der")):
        answer = api.put(CERTIFICATE, pair | {field: "0\u0082\u0002\u0000"})
        assert answer.status_code == 400
        ((name, (sentence,)),) = answer.json()["fields"].items()
        assert name == field and command in sentence


def test_a_pair_that_does_not_fit_is_refused_and_the_old_one_stays(
    api: APIClient, pair: dict[str, str]
) -> None:
    before = ok(api.get(CERTIFICATE))
    other = certificates.self_signed(HOST)[1]
    for part, field in [
        ({"key": other}, "key"), ({"key": "nonsense"}, "key"), ({"certificate": "nonsense"}, "certificate"),
        ({"certificate": pair["key"]}, "certificate"), ({"certificate": "x" * 300_000}, "certificate"),
    ]:  # fmt: skip
        assert list(wrong(api.put(CERTIFICATE, pair | part))) == [field]
    assert ok(api.get(CERTIFICATE)) == before


@pytest.mark.parametrize(
    "path", ["{database}", "{data}/../{name}/test.sqlite3", "/proc/self/environ", "/etc/shadow", "/dev/zero"]
)
def test_no_path_leads_to_our_own_data_or_outside_the_directories_of_certificates(
    api: APIClient, files: dict[str, str], settings: Any, path: str
) -> None:
    data = settings.QUAZZAR_DATA_DIR
    path = path.format(
        database=settings.DATABASES["default"]["TEST"].get("NAME", data), data=data, name=data.name
    )
    fields = wrong(api.put(CERTIFICATE, files | {"certificate_path": path}))
    assert "Files are only read from these directories" in fields["certificate_path"][0]


def test_files_that_are_not_right_are_refused(api: APIClient, files: dict[str, str], tmp_path: Path) -> None:
    for part in ({"key_path": str(tmp_path / "gone")}, {"key_path": "key"}, {"key_path": str(tmp_path)}):
        assert list(wrong(api.put(CERTIFICATE, files | part))) == ["key_path"]
    (tmp_path / "key").write_text(certificates.self_signed(HOST)[1])
    assert list(wrong(api.put(CERTIFICATE, files))) == ["key_path"]


@pytest.mark.slow
def test_it_is_one_of_three_ways_and_whole(api: APIClient, subtests: pytest.Subtests) -> None:
    for body, field in [
        ({}, "non_field_errors"),
        ({"self_signed": False}, "non_field_errors"),
        ({"self_signed": True, "certificate": "x", "key": "x"}, "non_field_errors"),
        ({"certificate": "x", "key_path": "/x"}, "non_field_errors"),
        ({"certificate": "x"}, "key"),
        ({"key": "x"}, "certificate"),
        ({"certificate_path": "/x"}, "key_path"),
        ({"key_path": "/x"}, "certificate_path"),
        ({"self_signed": "true"}, "self_signed"),
        ({"self_signed": None}, "self_signed"),
        ({"key": 5}, "key"),
        ({"certificate": None}, "certificate"),
        ({"certificate": ""}, "certificate"),
        ({"certificate": ["x"]}, "certificate"),
        ({"key_path": {}}, "key_path"),
        ({"certificate_path": "/a\x00b", "key_path": "/x"}, "certificate_path"),
        ({"certificate_path": "/" + "x" * 1024, "key_path": "/x"}, "certificate_path"),
        ({"surprise": 1}, "surprise"),
        ({"source": "files"}, "source"),
        ({"password": "x"}, "password"),
    ]:
        with subtests.test(ascii((body, field))[:80]):
            before = ok(api.get(CERTIFICATE))
            assert list(wrong(api.put(CERTIFICATE, body))) == [field]
            assert ok(api.get(CERTIFICATE)) == before


def test_no_refusal_repeats_the_key(
    api: APIClient, pair: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    secret = pair["key"].splitlines()[1]
    for body in (
        pair | {"certificate": "nonsense"},
        {"key": pair["key"]},
        {"certificate": pair["key"], "key": "x"},
    ):
        assert secret.encode() not in api.put(CERTIFICATE, body).content
    assert secret not in caplog.text


def test_one_that_is_over_says_so_and_whose_it_is(api: APIClient) -> None:
    past = timezone.now() - timedelta(days=400)
    certificate, key = certificates.self_signed(HOST, past)
    Stack.objects.update(tls_certificate=certificate, tls_key=key, tls_expires_at=past + timedelta(days=397))
    shown = ok(api.get(STACK))["certificate"]
    assert shown["names"] == [HOST] and "expired" in shown["warnings"][0]


def test_a_key_whose_sealing_key_is_gone_is_a_warning(api: APIClient, settings: Any, tmp_path: Path) -> None:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    assert "key file" in ok(api.get(STACK))["certificate"]["warnings"][0]
    assert ok(api.get(CERTIFICATE))["certificate"].startswith("-----BEGIN")
    assert "key file" not in ok(api.put(CERTIFICATE, {"self_signed": True}))["warnings"][0]


@pytest.mark.parametrize("method", ["post", "patch", "delete"])
def test_a_certificate_is_replaced_only(api: APIClient, method: str) -> None:
    error(getattr(api, method)(CERTIFICATE), 405, "method_not_allowed")


# --- Rspamd's password -------------------------------------------------------------------------------------
@pytest.mark.parametrize("body", [None, {}, {"new": False}])
def test_the_password_is_shown_on_demand_and_that_is_audited(api: APIClient, body: Any) -> None:
    response = api.post(PASSWORD, body)
    password = Stack.load().controller_password
    assert password is not None and ok(response) == {"password": password.reveal()}
    assert response["Cache-Control"] == "no-store"
    entry = AuditEntry.objects.get(action="stack.controller_password_shown")
    assert entry.actor.startswith("key:") and ok(response)["password"] not in str(entry.__dict__)


def test_another_one_takes_its_place(api: APIClient) -> None:
    before, generation = ok(api.post(PASSWORD)), Stack.load().desired_generation
    after = ok(api.post(PASSWORD, {"new": True}))
    assert after != before and after == ok(api.post(PASSWORD))
    assert Stack.load().desired_generation > generation


def test_a_key_that_may_not_read_sees_only_the_one_that_it_makes(
    api: APIClient, operator: User, client_with: Callable[..., APIClient]
) -> None:
    writer = client_with(operator, "mail:write")
    before = ok(api.post(PASSWORD))["password"]
    assert "mail:read" in error(writer.post(PASSWORD, {}), 403, "permission_denied")["message"]
    assert (
        ok(writer.post(PASSWORD, {"new": True}))["password"] == ok(api.post(PASSWORD))["password"] != before
    )


def test_no_other_answer_holds_it(api: APIClient) -> None:
    password = Stack.load().controller_password
    assert password is not None
    for path in (STACK, CERTIFICATE, f"{STACK}/compose"):
        assert password.reveal().encode() not in api.get(path).content


def test_one_that_does_not_open_is_409_and_another_recovers(
    api: APIClient, settings: Any, tmp_path: Path
) -> None:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    error(api.post(PASSWORD), 409, "no_controller_password")
    assert len(ok(api.post(PASSWORD, {"new": True}))["password"]) >= 16


def test_before_the_stack_was_ever_enabled_there_is_none(api: APIClient) -> None:
    Stack.objects.all().delete()
    error(api.post(PASSWORD), 409, "no_controller_password")
    assert ok(api.get(CERTIFICATE))["certificate"] == ""


def test_what_cannot_be_asked_for_is_400(api: APIClient, subtests: pytest.Subtests) -> None:
    for body, field in [
        ({"new": "true"}, "new"),
        ({"new": None}, "new"),
        ({"new": 1}, "new"),
        ({"password": "x"}, "password"),
    ]:
        with subtests.test(ascii((body, field))[:80]):
            assert list(wrong(api.post(PASSWORD, body))) == [field]


def test_it_is_not_read_with_get(api: APIClient) -> None:
    error(api.get(PASSWORD), 405, "method_not_allowed")
