"""The page of reports on a domain, uploads, and going on to the next stage."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from dnsrecords.models import DomainOptions, ReceivedReport
from dnsrecords.reports import intake
from mailboxes.models import Domain
from mailboxes.provisioning.domains import add_domain
from tests.dnsrecords.reports.conftest import times, tls_report
from tests.dnsrecords.reports.shapes import document, record

pytestmark = pytest.mark.django_db
TAB = "/admin/mail-relay/dns/"


@pytest.fixture
def domain(settings: Any) -> Domain:
    settings.QUAZZAR_PUBLIC_ADDRESSES = ["192.0.2.1"]
    return add_domain("example.com")


def good_days(domain: Domain, number: int = 11) -> None:
    for ago in range(1, number + 1):
        begin, end = times(ago)
        data = document(
            record("192.0.2.1", 37), record("203.0.113.9", 2, "fail", "fail"),
            begin=begin, end=end, number=f"{ago}", org="<b>google.com",
        ).replace(b"<b>google", b"&lt;b&gt;google")  # fmt: skip
        intake.take(data, intake.Way.COMMAND)


def page(client: Client, domain: Domain, query: str = "") -> str:
    answer = client.get(f"{TAB}{domain.pk}/reports/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_reports_it_says_what_to_do(admin_client: Client, domain: Domain) -> None:
    shown = page(admin_client, domain)
    assert (
        "No reports yet" in shown
        and "Publish the DMARC record" in shown
        and "<svg" not in shown.split("<main")[1]
    )
    assert f"{TAB}{domain.pk}/reports/" in admin_client.get(f"{TAB}{domain.pk}/").content.decode()


def test_it_says_whose_the_mail_was_and_what_to_do(admin_client: Client, domain: Domain) -> None:
    good_days(domain)
    shown = page(admin_client, domain)
    assert "407 mails were yours, 22 were not." in shown
    assert "11 days, 407 mails, 0 of yours failed: go on to quarantine." in shown
    assert 'name="dmarc" value="quarantine"' in shown
    assert "This node" in shown and "203.0.113.9" in shown and "forged or forwarded" in shown
    assert "&lt;b&gt;google.com" in shown and "<b>google.com" not in shown
    assert "None of these reports came in mail whose sender is proven." in shown
    assert "77 mails were yours, 4 were not." not in shown
    assert "259 mails" not in page(admin_client, domain, "?days=90")
    assert "mails were yours" in page(admin_client, domain, "?days=nonsense")


def test_one_press_goes_on_to_the_next_stage(admin_client: Client, domain: Domain) -> None:
    answer = admin_client.post(f"{TAB}{domain.pk}/stage/", {"dmarc": "reject"}, follow=True)
    assert "Now publish the records" in answer.content.decode()
    assert "p=reject" in answer.content.decode()
    assert DomainOptions.objects.get().dmarc == "reject"


@pytest.mark.parametrize(
    ("body", "said"), [({"dmarc": "all"}, "Choose one of"), ({"mta_sts": "enforce"}, "cannot be enforced")]
)
def test_a_stage_that_cannot_be_taken_is_refused(
    admin_client: Client, domain: Domain, body: dict[str, str], said: str
) -> None:
    answer = admin_client.post(f"{TAB}{domain.pk}/stage/", body, follow=True)
    assert said in answer.content.decode() and not DomainOptions.objects.exists()


def test_files_are_uploaded_each_with_its_result(admin_client: Client, domain: Domain) -> None:
    begin, end = times(1)
    files = [
        SimpleUploadedFile("a.xml", document(record("192.0.2.1"), begin=begin, end=end)),
        SimpleUploadedFile("b.json", tls_report(1, 3)),
        SimpleUploadedFile("c.txt", b"hello"),
    ]
    answer = admin_client.post(f"{TAB}{domain.pk}/reports/upload/", {"file": files}, follow=True)
    shown = answer.content.decode()
    assert "2 reports stored. About example.com." in shown
    assert "c.txt: The file contains no report." in shown
    assert set(ReceivedReport.objects.values_list("kind", "way")) == {("dmarc", "upload"), ("tls", "upload")}
    again = admin_client.post(
        f"{TAB}{domain.pk}/reports/upload/",
        {"file": SimpleUploadedFile("d.xml", document(record("192.0.2.1"), begin=begin, end=end))},
        follow=True,
    )
    assert "1 report was stored before." in again.content.decode()
    assert (
        "Choose a report file."
        in admin_client.post(f"{TAB}{domain.pk}/reports/upload/", follow=True).content.decode()
    )


def test_who_may_only_see_domains_sees_reports_and_changes_nothing(domain: Domain) -> None:
    good_days(domain)
    reader = User.objects.create_user("reader", password="x", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_domain"))
    client = Client()
    client.force_login(reader)
    shown = page(client, domain)
    assert "407 mails were yours" in shown and "Upload reports" not in shown and "Go on to" not in shown
    for path in ("stage/", "reports/upload/"):
        assert client.post(f"{TAB}{domain.pk}/{path}").status_code == 403
    assert Client().get(f"{TAB}{domain.pk}/reports/").status_code == 302


def test_no_domain_is_404(admin_client: Client) -> None:
    assert admin_client.get(f"{TAB}999/reports/").status_code == 404
    assert admin_client.post(f"{TAB}999/stage/").status_code == 404
