"""/api/mail/dns/reports, /api/mail/domains/{id}/dns/reports, and the command that imports reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from dnsrecords.models import ReceivedReport
from mailboxes.models import Domain
from tests.contract.answers import DOMAINS, error, is_time, ok, wrong
from tests.dnsrecords.reports.conftest import times, tls_report
from tests.dnsrecords.reports.shapes import document, mail, record

pytestmark = pytest.mark.django_db
REPORTS = "/api/mail/dns/reports"
ANY = "application/octet-stream"


def report(number: str = "1") -> bytes:
    begin, end = times(1)
    return document(
        record("192.0.2.1", 3), record("192.0.2.2", 1, "fail", "fail"), number=number, begin=begin, end=end
    )


def send(api: APIClient, data: bytes, kind: str = ANY) -> Any:
    return api.post(REPORTS, data, content_type=kind)


def test_a_report_is_stored_once(api: APIClient, domain: Domain) -> None:
    answer = ok(send(api, report()))
    (stored,) = answer["stored"]
    assert stored.keys() == {
        "id", "domain", "kind", "organisation", "report_id", "begins", "ends", "policy", "total", "failed",
    }  # fmt: skip
    assert (stored["domain"], stored["kind"], stored["total"], stored["failed"]) == (
        "example.com",
        "dmarc",
        4,
        1,
    )
    assert is_time(stored["begins"]) and answer["repeated"] == 0
    assert ok(send(api, mail(report(), "text/xml"))) == {"stored": [], "repeated": 1}
    assert ReceivedReport.objects.get().way == "api"


def test_a_form_with_the_file_will_do(api: APIClient, domain: Domain) -> None:
    file = SimpleUploadedFile("a.json", tls_report(1, 3))
    assert ok(api.post(REPORTS, {"file": file}, format="multipart"))["stored"][0]["kind"] == "tls"
    assert wrong(api.post(REPORTS, {"more": "x"}, format="multipart")).keys() == {"file", "more"}


@pytest.mark.parametrize("data", [b"hello", b"", report().replace(b"example.com", b"example.net")])
def test_what_cannot_be_stored_is_400_with_the_reason(api: APIClient, domain: Domain, data: bytes) -> None:
    assert error(send(api, data), 400, "report_refused")["message"].endswith(".")
    assert not ReceivedReport.objects.exists()


def test_another_type_of_body_is_415(api: APIClient, domain: Domain) -> None:
    error(send(api, b"{}", "application/json"), 415, "unsupported_media_type")


def test_the_summary_says_whose_the_mail_was(api: APIClient, domain: Domain) -> None:
    ok(send(api, report()))
    answer = ok(api.get(f"{DOMAINS}/{domain.pk}/dns/reports"))
    assert answer.keys() == {
        "domain", "days", "sentence", "policy", "numbers", "dmarc", "mta_sts", "sources", "by_day", "sessions",
        "tls_failed", "tls_failures", "reporters",
    }  # fmt: skip
    assert answer["sentence"] == "3 mails were yours, 1 was not."
    assert answer["numbers"] == {"days": 1, "passed": 3, "failed": 0, "strange": 1}
    assert (
        answer["dmarc"].keys() == {"sentence", "go_on_to"} and len(answer["by_day"]) == answer["days"] == 30
    )
    assert answer["sources"][0]["addresses"] == [
        {"address": "192.0.2.1", "host": "", "passed": 3, "failed": 0}
    ]
    assert len(ok(api.get(f"{DOMAINS}/{domain.pk}/dns/reports?days=7"))["by_day"]) == 7


@pytest.mark.parametrize("days", ["0", "366", "x", "-1", "7.5", "", "９"])
def test_days_that_are_none_are_400(api: APIClient, domain: Domain, days: str) -> None:
    assert "days" in wrong(api.get(f"{DOMAINS}/{domain.pk}/dns/reports", {"days": days}))


def test_who_may_do_what(operator: User, domain: Domain, client_with: Callable[..., APIClient]) -> None:
    reader, writer = client_with(operator, "mail:read"), client_with(operator, "mail:write")
    error(send(reader, report()), 403, "permission_denied")
    assert not ReceivedReport.objects.exists()
    assert ok(send(writer, report()))["stored"]
    ok(reader.get(f"{DOMAINS}/{domain.pk}/dns/reports"))
    error(APIClient().get(f"{DOMAINS}/{domain.pk}/dns/reports"), 401, "not_authenticated")
    error(reader.get(f"{DOMAINS}/999/dns/reports"), 404, "not_found")


# --- manage.py import_reports ------------------------------------------------------------------------------
def test_files_and_folders_are_imported(
    domain: Domain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.xml").write_bytes(report("1"))
    folder = tmp_path / "Maildir" / "new"
    folder.mkdir(parents=True)
    (folder / "1.eml").write_bytes(mail(report("2"), "text/xml"))
    call_command("import_reports", str(tmp_path / "a.xml"), str(tmp_path / "Maildir"))
    assert capsys.readouterr().out.count("1 stored, 0 stored before") == 2
    assert ReceivedReport.objects.filter(way="command").count() == 2


def test_a_bad_file_fails_and_the_others_are_stored(
    domain: Domain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    (tmp_path / "b.xml").write_bytes(report())
    with pytest.raises(CommandError, match=r"2 files not stored\."):
        call_command("import_reports", str(tmp_path), str(tmp_path / "missing"))
    err = capsys.readouterr().err
    assert "a.txt: The file contains no report." in err and "missing: No such file" in err
    assert ReceivedReport.objects.count() == 1
