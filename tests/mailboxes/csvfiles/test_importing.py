"""The import: every error with its line, all or nothing, and no password in the clear anywhere."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from mailboxes.csvfiles import importing
from mailboxes.models import ImportJob, Mailbox, Stack
from mailboxes.provisioning import passwords
from quazzar.errors import InvalidFields
from quazzar.models import AuditEntry
from tests.mailboxes import factories
from tests.mailboxes.factories import PASSWORD, opened
from tests.mailboxes.trials import case

pytestmark = pytest.mark.django_db

HEADER = "address,password,quota_mb,display_name\n"
TWO = f"{HEADER}ada@example.com,{PASSWORD},100,Ada\nbob@example.com,,,\n"


@pytest.fixture(autouse=True)
def _domain(db: None) -> None:
    factories.domain()
    factories.stack()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real hash takes a twentieth of a second."""
    monkeypatch.setattr(passwords, "hash_password", lambda plain: "{ARGON2ID}$hash")


def refused(text: str | bytes) -> list[str]:
    with pytest.raises(InvalidFields) as caught:
        importing.check(text.encode() if isinstance(text, str) else text)
    assert caught.value.fields.keys() == {"rows"}
    return caught.value.fields["rows"]


def started(text: str) -> ImportJob:
    return importing.start(text.encode())


def done(text: str) -> ImportJob:
    job = started(text)
    importing.run(job.pk)
    job.refresh_from_db()
    return job


def error_of(job: ImportJob) -> dict[str, str]:
    error: dict[str, str] | None = job.last_error
    assert error is not None
    return error


def many(number: int) -> str:
    return HEADER + "".join(f"box{index}@example.com,,,\n" for index in range(number))


# --- reading -----------------------------------------------------------------------------------------------
def test_a_dry_run_says_what_would_come_and_writes_nothing() -> None:
    plan = importing.check(TWO.encode())
    assert len(plan) == 2
    assert [(row.line, row.address, row.quota_mb, row.display_name) for row in plan.rows] == [
        (2, "ada@example.com", 100, "Ada"),
        (3, "bob@example.com", 0, ""),
    ]
    assert not ImportJob.objects.exists() and not Mailbox.objects.exists()
    assert PASSWORD not in repr(plan)


def test_what_spreadsheets_write_is_taken() -> None:
    for text in (
        "\ufeffaddress,quota_mb\r\nada@example.com,5\r\n",
        "quota_mb,address\n5,ada@example.com",
        ' Address , QUOTA_MB \n" ADA@Example.com "," 5 "\n\n',
        "address,quota_mb,enabled\n\n,,\nada@example.com,5,yes\n",
    ):
        with case(text):
            (row,) = importing.check(text.encode()).rows
            assert (row.address, row.quota_mb, row.enabled) == ("ada@example.com", 5, True)


def test_a_password_is_taken_as_it_is() -> None:
    plan = importing.check(f'{HEADER}ada@example.com,"a comma, and ""quotes""",,\n'.encode())
    assert plan.rows[0].password == 'a comma, and "quotes"'


def test_a_file_that_cannot_be_read_is_refused() -> None:
    for text, words in (
        ("", "line 1: The first line names the columns"),
        ("ada@example.com\n", "line 1: The first line names the columns"),
        ("address;password\nada@example.com;x\n", "separated by commas"),
        ("address,colour\n", "there is no column 'colour'"),
        ("address,address\n", "a column appears twice"),
        (HEADER, "The file contains no mailboxes."),
        ('address\n"ada@example.com\nbob@example.com\n', "line 2: the quotation marks do not match"),
        ('"address\n', "line 1: the quotation marks do not match"),
    ):
        assert words in refused(text)[0], text


def test_what_is_no_utf8_is_refused_with_its_line() -> None:
    assert "line 2: this is not UTF-8" in refused(HEADER.encode() + b"ada@example.com,,,Zo\xeb\n")[0]


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailboxes.csvfiles.rows.MOST_ROWS", 3)
    assert len(importing.check(many(3).encode())) == 3
    assert "at most" in refused(many(4))[0]
    monkeypatch.setattr("mailboxes.csvfiles.rows.LARGEST_FILE", 10)
    assert "too large" in refused(TWO)[0]


# --- checking ----------------------------------------------------------------------------------------------
def test_a_row_that_is_not_right_is_refused() -> None:
    for row, words in (
        ("nobody,,,", "line 2: "),
        ("a+b@example.com,,,", "line 2: "),
        ("ada@example.org,,,", "The domain example.org does not exist here"),
        ("ada@example.com,short,,", "line 2: "),
        ("ada@example.com,{SHA512-CRYPT}$6$abcdefgh,,", "password hash"),
        ("ada@example.com,$2y$10$abcdefghijkl,,", "password hash"),
        *((f"ada@example.com,,{quota},", "quota") for quota in ("-1", "1.5", "²", "99999999999999999999")),
        ('ada@example.com,,,"two\nlines"', "display name"),
        ("ada@example.com,,", "expected 4 values, as in line 1, but found 3"),
        ("ada@example.com,,,,", "but found 5"),
    ):
        (sentence,) = refused(f"{HEADER}{row}\n")
        assert sentence.startswith("line 2: ") and words in sentence, row


def test_an_unknown_domain_is_told_together_with_what_else_is_wrong_in_its_line() -> None:
    found = refused(f"{HEADER}ada@example.org,,-1,\n")
    assert len(found) == 2 and "The domain example.org does not exist here" in " ".join(found)


def test_enabled_is_a_word() -> None:
    assert not importing.check(b"address,enabled\nada@example.com,FALSE\n").rows[0].enabled
    assert "true or false" in refused("address,enabled\nada@example.com,perhaps\n")[0]


def test_every_error_comes_with_the_line_where_its_row_begins() -> None:
    factories.mailbox("there@example.com")
    factories.alias("info@example.com")
    rows = [
        "ok@example.com,,,",
        'x,short,-1,"a\nb"',
        "there@example.com,,,",
        "info@example.com,,,",
        "OK@example.com,,,",
    ]
    sentences = refused(HEADER + "\n".join(rows))
    assert [sentence.split(":")[0] for sentence in sentences] == ["line 3"] * 4 + [
        "line 5",
        "line 6",
        "line 7",
    ]
    assert (
        "there@example.com already exists as a mailbox" in sentences[4]
        and "exists as an alias" in sentences[5]
    )
    assert "is also in line 2" in sentences[6]


def test_a_hundred_errors_are_shown_and_the_rest_counted() -> None:
    sentences = refused(HEADER + "x,,,\n" * 250)
    assert len(sentences) == 101 and sentences[-1] == "And 150 more errors."


def test_a_refused_password_is_not_repeated() -> None:
    assert "hunter2" not in " ".join(refused(f"{HEADER}ada@example.com,hunter2,,\n"))


def test_what_is_wrong_with_a_row_stands_in_the_order_of_the_columns() -> None:
    sentences = refused(HEADER + "x,,-1,\n")
    assert "x" in sentences[0] and "quota" in sentences[1]


def test_the_number_of_queries_does_not_grow_with_the_rows() -> None:
    def queries(number: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            importing.check(many(number).encode())
        return len(captured)

    assert queries(2) == queries(400)


# --- doing -------------------------------------------------------------------------------------------------
def test_the_worker_makes_all_of_them_in_one_change() -> None:
    job = done(TWO)
    ada, bob = Mailbox.objects.order_by("address")
    assert (job.state, job.done, job.total, job.rows, job.last_error) == ("done", 2, 2, None, None)
    assert job.finished_at is not None
    assert passwords.verify(opened(ada.password_hash), PASSWORD)
    assert (ada.quota_mb, ada.display_name, ada.home, ada.local_part) == (
        100,
        "Ada",
        "example.com/ada",
        "ada",
    )
    assert (bob.password_hash, bob.domain) == (None, ada.domain)
    assert ada.generation == bob.generation == Stack.load().desired_generation == 1
    assert not ada.synced


@pytest.mark.usefixtures("quick")
def test_what_is_recorded_has_no_addresses_and_no_secrets() -> None:
    done(TWO)
    assert [*AuditEntry.objects.order_by("id").values_list("action", "target", "fields")] == [
        ("import.started", "import of 2 mailboxes", []),
        ("import.done", "import of 2 mailboxes", []),
    ]


@pytest.mark.usefixtures("quick")
def test_an_address_that_was_there_before_gets_another_home() -> None:
    factories.mailbox("ada@example.com", deleted_at="2026-01-01T00:00:00Z")
    done(TWO)
    homes = Mailbox.objects.live().order_by("address").values_list("home", flat=True)
    assert [*homes] == ["example.com/ada..2", "example.com/bob"]


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_many_are_written_with_few_queries() -> None:
    job = started(many(1000))
    with CaptureQueriesContext(connection) as captured:
        importing.run(job.pk)
    assert Mailbox.objects.count() == 1000
    assert len(captured) < 60


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick")
def test_the_worker_is_called_once_the_job_is_committed_and_once_for_all(rung: list[str]) -> None:
    with transaction.atomic():
        job = started(TWO)
        assert rung == []
    assert rung == [f"import {job.pk}"]
    importing.run(job.pk)
    assert rung == [f"import {job.pk}", "stack"]


@pytest.mark.usefixtures("quick")
def test_a_job_that_is_over_is_left_alone() -> None:
    job = done(TWO)
    Mailbox.objects.all().delete()
    for pk in (job.pk, job.pk + 1):
        importing.run(pk)
    assert not Mailbox.objects.exists()


def test_a_job_that_was_cut_off_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    job = started(TWO)

    def die(plain: str) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(passwords, "hash_password", die)
        importing.run(job.pk)
    assert not Mailbox.objects.exists()
    importing.run(job.pk)
    job.refresh_from_db()
    assert (job.state, Mailbox.objects.count()) == ("done", 2)


@pytest.mark.usefixtures("quick")
def test_progress_is_stored_while_it_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_PORTION", 100)
    monkeypatch.setattr(importing, "_write", lambda *_: None)
    job = started(many(250))
    with CaptureQueriesContext(connection) as captured:
        importing.run(job.pk)
    updates = [query["sql"] for query in captured if 'SET "done" =' in query["sql"]]
    assert [sql.partition('"done" = ')[2].split()[0] for sql in updates] == ["100", "200", "250"]


@pytest.mark.usefixtures("quick")
def test_what_came_in_between_fails_the_job_and_nothing_is_written() -> None:
    job = started(TWO)
    factories.alias("bob@example.com")
    importing.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.rows) == ("failed", None)
    assert error_of(job)["code"] == "already_exists" and "bob@example.com" in error_of(job)["message"]
    assert not Mailbox.objects.exists() and Stack.load().desired_generation == 0


@pytest.mark.usefixtures("quick")
def test_a_domain_that_went_in_between_fails_the_job() -> None:
    job = started(TWO)
    factories.domain().delete()
    importing.run(job.pk)
    job.refresh_from_db()
    assert (job.state, error_of(job)["code"]) == ("failed", "domain_gone")
    assert "example.com" in error_of(job)["message"]


def test_rows_that_cannot_be_opened_fail_the_job(settings: Any, tmp_path: Path) -> None:
    job = started(TWO)
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    importing.run(job.pk)
    job.refresh_from_db()
    assert (job.state, error_of(job)["code"]) == ("failed", "unreadable")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick")
def test_two_workers_with_one_job_make_each_mailbox_once(rung: list[str]) -> None:
    job, begin = started(TWO), threading.Barrier(2)

    def work() -> None:
        begin.wait(timeout=30)
        try:
            importing.run(job.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    job.refresh_from_db()
    assert (job.state, Mailbox.objects.count(), rung.count("stack")) == ("done", 2, 1)


@pytest.mark.django_db(transaction=True)
def test_no_file_of_the_database_holds_a_password_while_the_job_waits(rung: list[str]) -> None:
    job = started(TWO)
    assert PASSWORD in json.dumps(opened(job.rows))
    if connection.vendor != "sqlite":
        pytest.skip("The files are the server's.")
    files = Path(connection.settings_dict["NAME"]).parent.glob("test.sqlite3*")
    stored = b"".join(file.read_bytes() for file in files)
    assert b"mailboxes_importjob" in stored and PASSWORD.encode() not in stored


# --- forwarding ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "cell", ["x@far.test y@far.test", "x@far.test,y@far.test", " x@FAR.test;\ny@far.test; "]
)
def test_several_addresses_may_be_apart_by_space_comma_or_semicolon(cell: str) -> None:
    (row,) = importing.check(f'address,forward_to\nada@example.com,"{cell}"\n'.encode()).rows
    assert row.forward_to == ("x@far.test", "y@far.test") and row.keep_copy


def test_what_cannot_be_forwarded_to_is_refused_with_its_line() -> None:
    head = "address,forward_to,keep_copy\n"
    for cell, said in (("nobody", "nobody"), ("ada@example.com", "forward to itself")):
        (sentence,) = refused(f"{head}ada@example.com,{cell},\n")
        assert sentence.startswith("line 2: ") and said in sentence
    assert refused(f"{head}ada@example.com,x@far.test,perhaps\n") == [
        "line 2: Keep_copy must be true or false."
    ]


def test_a_circle_among_the_rows_is_refused_before_anything_is_stored() -> None:
    rows = "ada@example.com,bob@example.com,false\nbob@example.com,ada@example.com,false\n"
    sentences = refused(f"address,forward_to,keep_copy\n{rows}cleo@example.com,,\n")
    assert [sentence[:7] for sentence in sentences] == ["line 2:", "line 3:"]
    assert "forwarded in a circle: ada@example.com → bob@example.com → ada@example.com" in sentences[0]


def test_a_circle_that_closes_meanwhile_ends_the_import(quick: None) -> None:
    job = started("address,forward_to,keep_copy\nada@example.com,bob@example.com,false\n")
    factories.mailbox("bob@example.com", forward_to=["ada@example.com"], keep_copy=False)
    importing.run(job.pk)
    job.refresh_from_db()
    assert error_of(job)["code"] == "mail_circle" and not Mailbox.objects.filter(address="ada@example.com")


def test_a_job_that_an_older_release_stored_is_finished(quick: None) -> None:
    job = started(TWO)
    assert job.rows is not None
    job.rows = json.dumps([row[:7] for row in json.loads(job.rows.reveal())])
    job.save()
    importing.run(job.pk)
    assert {row.forward_to == [] and row.keep_copy for row in Mailbox.objects.all()} == {True}
