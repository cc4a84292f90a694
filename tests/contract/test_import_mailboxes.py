"""/api/mail/mailboxes/import, its jobs, and /api/mail/mailboxes/export."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files import uploadedfile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from mailboxes.csvfiles import importing
from mailboxes.models import Alias, Domain, ImportJob, Mailbox
from mailboxes.provisioning import passwords
from quazzar import doorbell
from tests.contract.answers import MAILBOXES, error, ok, wrong

IMPORT, EXPORT = f"{MAILBOXES}/import", f"{MAILBOXES}/export"
HEADER = "address,password,quota_mb,display_name"
SECRET = "correct horse battery"
GOOD = f'{HEADER}\nada@example.com,{SECRET},1024,"Lovelace, Ada"\nBob@Example.com,,,\n'
BAD: list[tuple[str, str]] = [
    ("", "line 1"), ("ada@example.com,x\n", "line 1"), (f"{HEADER}\n", ""), (f"{HEADER},surprise\n", "surprise"),
    ("address,address\na@example.com,a@example.com\n", "twice"), (f"{HEADER}\nada\n", "line 2"),
    (f"{HEADER}\na@example.com,,,\nada,,,\n", "line 3"), (f"{HEADER}\na b@example.com,,,\n", "line 2"),
    (f"{HEADER}\na@other.example,,,\n", "line 2"), (f"{HEADER}\na@example.com,short,,\n", "line 2"),
    (f"{HEADER}\na@example.com,,-1,\n", "line 2"), (f"{HEADER}\na@example.com,,1e3,\n", "line 2"),
    (f"{HEADER}\na@example.com,,{10**30},\n", "line 2"), (f"{HEADER}\na@example.com,,x,\n", "line 2"),
    (f"{HEADER}\na@example.com,,,{'x' * 201}\n", "line 2"), (f"{HEADER}\na@example.com,,,a\x00b\n", "line 2"),
    (f'{HEADER}\na@example.com,,,"a\nb"\n', "line 2"), (f'{HEADER}\na@example.com,,,"open\n', "line 2"),
    (f"{HEADER}\na@example.com,,,\na@example.com,,,\n", "line 3"), (f"{HEADER}\ntaken@example.com,,,\n", "line 2"),
    (f"{HEADER}\nalias@example.com,,,\n", "line 2"), (f"{HEADER}\na@example.com,,,,\n", "line 2"),
    (f"{HEADER}\na@example.com\x00,,,\n", "line 2"), (f"{HEADER}\n\xff@example.com,,,\n", "line 2"),
]  # fmt: skip
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of the imports that the worker was rung for."""
    heard: list[int] = []
    monkeypatch.setattr(doorbell, "ring", lambda task, *ids: heard.extend(ids))
    return heard


def send(api: APIClient, text: str | bytes, query: str = "", kind: str = "text/csv") -> Any:
    data = text if isinstance(text, bytes) else text.encode()
    return api.post(f"{IMPORT}{query}", data, content_type=kind)


def send_file(api: APIClient, query: str = "", **fields: Any) -> Any:
    return api.post(f"{IMPORT}{query}", fields, format="multipart")


def file(text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("mailboxes.csv", text.encode(), content_type="text/csv")


# --- taking ------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_an_import_is_202_and_its_job_makes_the_mailboxes(
    api: APIClient, domain: Domain, rung: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        told = ok(send(api, GOOD), 202)
    assert told == {"id": ImportJob.objects.get().pk} == {"id": rung[0]}
    waiting = {"id": told["id"], "state": "running", "done": 0, "total": 2, "last_error": None}
    assert ok(api.get(f"{IMPORT}/{told['id']}")) == waiting
    assert ok(api.get(MAILBOXES))["count"] == 0
    importing.run(told["id"])
    assert ok(api.get(f"{IMPORT}/{told['id']}")) == waiting | {"state": "done", "done": 2}
    ada, bob = ok(api.get(MAILBOXES))["results"]
    assert (ada["address"], ada["quota_mb"], ada["display_name"]) == (
        "ada@example.com",
        1024,
        "Lovelace, Ada",
    )
    assert (bob["address"], bob["has_password"], ada["has_password"]) == ("bob@example.com", False, True)
    hashed = Mailbox.objects.get(pk=ada["id"]).password_hash
    assert hashed is not None and passwords.verify(hashed.reveal(), SECRET)


@pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=utf-8", "TEXT/CSV; header=present"])
def test_it_comes_as_a_csv_body(api: APIClient, domain: Domain, kind: str) -> None:
    assert ok(send(api, GOOD, kind=kind), 202).keys() == {"id"}


def test_it_comes_as_a_file_of_a_form(api: APIClient, domain: Domain) -> None:
    assert ok(send_file(api, file=file(GOOD)), 202).keys() == {"id"}
    assert ImportJob.objects.get().total == 2


@pytest.mark.parametrize(
    "text", [GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD, GOOD + "\n\n", "address\nada@example.com"]
)
def test_what_programs_write_is_taken(api: APIClient, domain: Domain, text: str) -> None:
    assert ok(send(api, text, "?dry_run=true"))["ok"] is True


@pytest.mark.parametrize("query", ["?dry_run=true", "?dry_run=1", "?dry_run=TRUE"])
def test_a_dry_run_writes_nothing(api: APIClient, domain: Domain, query: str) -> None:
    assert ok(send(api, GOOD, query)) == ok(send_file(api, query, file=file(GOOD))) == {"ok": True, "rows": 2}
    assert not ImportJob.objects.exists() and not Mailbox.objects.exists()


@pytest.mark.parametrize("query", ["?dry_run=false", "?dry_run=0", ""])
def test_no_dry_run_starts_a_job(api: APIClient, domain: Domain, query: str) -> None:
    ok(send(api, GOOD, query), 202)


def test_a_dry_run_is_true_or_false(api: APIClient, domain: Domain, subtests: pytest.Subtests) -> None:
    for word in ["perhaps", "", "yes", "2", "null"]:
        with subtests.test(ascii(word)[:80]):
            assert list(wrong(send(api, GOOD, f"?dry_run={word}"))) == ["dry_run"]
            assert not ImportJob.objects.exists()


# --- refusing ----------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_bad_row_is_400_with_its_line(
    api: APIClient, box: Callable[..., Mailbox], forward: Callable[..., Alias], subtests: pytest.Subtests
) -> None:
    box("taken"), forward("alias")
    for query in ["", "?dry_run=true"]:
        for text, told in BAD:
            with subtests.test(ascii((query, text, told))[:80]):
                sentences = wrong(send(api, text.encode("latin-1"), query))
                assert list(sentences) == ["rows"]
                assert any(told in sentence for sentence in sentences["rows"])
                assert not ImportJob.objects.exists() and Mailbox.objects.count() == 1


def test_every_bad_row_is_told_and_no_good_one_is_taken(api: APIClient, domain: Domain) -> None:
    text = f"{GOOD}x,,,\nc@example.com,short,-1,\nd@example.com,,,\n"
    told = wrong(send(api, text))["rows"]
    assert {line.partition(":")[0] for line in told} == {"line 4", "line 5"}
    assert len([line for line in told if line.startswith("line 5")]) == 2
    assert not ImportJob.objects.exists()


def test_no_sentence_holds_a_password(
    api: APIClient, domain: Domain, caplog: pytest.LogCaptureFixture
) -> None:
    response = send(api, f'{HEADER}\nx,{SECRET},,\n"{SECRET}\n')
    wrong(response)
    assert SECRET.encode() not in response.content and SECRET not in caplog.text


@pytest.mark.parametrize(
    "kind",
    ["application/json", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream"],
)
def test_another_kind_of_body_is_415(api: APIClient, domain: Domain, kind: str) -> None:
    error(send(api, GOOD, kind=kind), 415, "unsupported_media_type")


def test_a_form_has_one_file_and_nothing_else(api: APIClient, domain: Domain) -> None:
    assert list(wrong(send_file(api))) == ["file"]
    assert list(wrong(send_file(api, file=GOOD))) == ["file"]
    assert list(wrong(send_file(api, other=file(GOOD)))) == ["other", "file"]
    assert list(wrong(send_file(api, file=file(GOOD), surprise="1"))) == ["surprise"]
    assert list(wrong(send_file(api, file=[file(GOOD), file(GOOD)]))) == ["file"]


def test_a_broken_form_is_400(api: APIClient, domain: Domain, subtests: pytest.Subtests) -> None:
    for raw in [b"", b"x", b"--x\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\n"]:
        with subtests.test(ascii(raw)[:80]):
            assert send(api, raw, kind="multipart/form-data; boundary=x").status_code == 400
            assert send(api, raw, kind="multipart/form-data").status_code == 400


def test_what_is_too_large_is_413(api: APIClient, domain: Domain, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    error(send(api, GOOD + "\n" * 1000), 413, "too_large")
    error(send_file(api, file=file(GOOD + "\n" * 1000)), 413, "too_large")


# --- secrets -----------------------------------------------------------------------------------------------
def test_a_large_file_never_touches_the_disk(
    api: APIClient, domain: Domain, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("an upload went to the disk")

    monkeypatch.setattr(uploadedfile.TemporaryUploadedFile, "__init__", refuse)
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    assert ok(send_file(api, "?dry_run=true", file=file(GOOD + "\n" * 200_000)))["rows"] == 2


def test_what_waits_for_the_worker_is_sealed(api: APIClient, domain: Domain) -> None:
    ok(send(api, GOOD), 202)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM mailboxes_importjob")
        row = b"".join(str(one).encode() + bytes(str(one), "utf-8") for one in cursor.fetchone())
    assert SECRET.encode() not in row and b"ada@example" not in row


# --- jobs --------------------------------------------------------------------------------------------------
def test_a_job_that_failed_says_why(api: APIClient, domain: Domain, box: Callable[..., Mailbox]) -> None:
    pk = ok(send(api, GOOD), 202)["id"]
    box("ada")
    importing.run(pk)
    told = ok(api.get(f"{IMPORT}/{pk}"))
    assert (told["state"], told["total"]) == ("failed", 2)
    assert told["last_error"].keys() == {"code", "message", "hint"}
    assert Mailbox.objects.count() == 1


def test_a_job_that_is_not_there_is_404(api: APIClient, subtests: pytest.Subtests) -> None:
    for pk in ["0", "999", str(2**63), "9" * 40, "abc", "-1"]:
        with subtests.test(ascii(pk)[:80]):
            error(api.get(f"{IMPORT}/{pk}"), 404, "not_found")


def test_other_methods_are_405(api: APIClient) -> None:
    for response in (
        api.get(IMPORT),
        api.put(IMPORT),
        api.post(f"{IMPORT}/1"),
        api.post(EXPORT),
        api.delete(EXPORT),
    ):
        error(response, 405, "method_not_allowed")


# --- export ------------------------------------------------------------------------------------------------
@pytest.fixture
def exported(api: APIClient) -> Iterator[Callable[[], list[dict[str, str]]]]:
    """The rows of the export."""

    def rows() -> list[dict[str, str]]:
        response: Any = api.get(EXPORT)
        assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
        assert response["Content-Disposition"] == 'attachment; filename="mailboxes.csv"'
        return list(csv.DictReader(io.StringIO(response.getvalue().decode())))

    yield rows


def test_the_export_has_no_secret_and_no_deleted_one(
    exported: Callable[[], list[dict[str, str]]], box: Callable[..., Mailbox]
) -> None:
    box("bob", display_name='a, "b"', quota_mb=5, password_hash="{ARGON2ID}x"), box("ada", enabled=False)
    box("gone", deleted_at=timezone.now())
    rest = {"can_send": "true", "can_receive": "true", "forward_to": "", "keep_copy": "true"}
    assert exported() == [
        {"address": "ada@example.com", "quota_mb": "0", "display_name": "", "enabled": "false", **rest},
        {"address": "bob@example.com", "quota_mb": "5", "display_name": 'a, "b"', "enabled": "true", **rest},
    ]


def test_an_empty_export_is_its_header(exported: Callable[[], list[dict[str, str]]], db: None) -> None:
    assert exported() == []


def test_the_import_takes_what_was_exported(
    api: APIClient, box: Callable[..., Mailbox], tmp_path: Path
) -> None:
    for name in ("=cmd|x", "'=x", "@a", 'plain, "quoted"'):
        box(f"u{len(name)}{ord(name[0])}", display_name=name, quota_mb=3, enabled=False)
    before = [
        (row.address, row.display_name, row.quota_mb, row.enabled)
        for row in Mailbox.objects.order_by("address")
    ]
    text = api.get(EXPORT).getvalue()
    Mailbox.objects.all().delete()
    importing.run(ok(send(api, text), 202)["id"])
    after = [
        (row.address, row.display_name, row.quota_mb, row.enabled)
        for row in Mailbox.objects.order_by("address")
    ]
    assert after == before
