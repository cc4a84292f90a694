"""Files that mail servers and mail programs fetch by names of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from dnsrecords.records import options
from dnsrecords.wellknown import WellKnownMiddleware
from mailboxes.models import Domain
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db
HOST = "mail.example.net"
POLICY = "/.well-known/mta-sts.txt"
MOZILLA = ["/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"]
OUTLOOK = "/autodiscover/autodiscover.xml"
#: Host and path of every file that is read with GET.
PLACES = [("mta-sts.example.com", POLICY), *(("autoconfig.example.com", path) for path in MOZILLA)]
REQUEST = (
    '<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/'
    'autodiscover/outlook/requestschema/2006"><Request><EMailAddress>{}</EMailAddress>'
    "<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
    "</AcceptableResponseSchema></Request></Autodiscover>"
)
ANSWER = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"


@pytest.fixture(autouse=True)
def domain() -> Domain:
    factories.stack(hostname=HOST)
    return factories.domain("example.com")


def get(client: Client, host: str, path: str, **more: Any) -> Any:
    return client.get(path, headers={"host": host}, **more)


def ask(
    client: Client, body: str | bytes, host: str = "autodiscover.example.com", path: str = OUTLOOK
) -> Any:
    return client.post(path, body, content_type="text/xml", headers={"host": host})


# --- MTA-STS -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "host",
    ["mta-sts.example.com", "MTA-STS.Example.COM", "mta-sts.example.com:443", "mta-sts.example.com.:8443"],
)
def test_the_policy_is_served_whatever_allowed_hosts_says(client: Client, host: str) -> None:
    answer = get(client, host, POLICY)
    assert answer.status_code == 200
    assert answer.content == b"version: STSv1\nmode: testing\nmx: mail.example.net\nmax_age: 604800\n"
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["Cache-Control"] == "public, max-age=60"
    assert not answer.cookies and "Location" not in answer


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("mta-sts.example.org", POLICY),
        ("mta-sts.sub.example.com", POLICY),
        ("example.com", POLICY),
        ("mta-sts.example.com", "/.well-known/mta-sts.txt/"),
        ("mta-sts.example.com", "/admin/"),
        ("mta-sts.example.com@evil.example", POLICY),
        ("mta-sts.example.com..", POLICY),
    ],
)
def test_any_other_name_or_path_is_as_strict_as_before(client: Client, host: str, path: str) -> None:
    assert get(client, host, path).status_code == 400


def test_a_name_of_the_console_has_no_policy(client: Client) -> None:
    assert get(client, "testserver", POLICY).status_code == 404


def test_a_policy_that_is_off_is_not_there(client: Client, domain: Domain) -> None:
    options.change(domain.pk, mta_sts="off")
    assert get(client, "mta-sts.example.com", POLICY).status_code == 400


def test_it_is_read_and_nothing_else(client: Client) -> None:
    headers = {"host": "mta-sts.example.com"}
    assert client.head(POLICY, headers=headers).status_code == 200
    for method in (client.post, client.put, client.delete):
        answer = method(POLICY, headers=headers)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_https_alone_changes_nothing_and_nothing_redirects(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 31_536_000
    fresh = Client()
    assert {get(fresh, *place).status_code for place in PLACES} == {200}
    assert get(fresh, "testserver", "/admin/").status_code == 301


def test_mail_goes_on_when_the_licence_has_lapsed(client: Client, plan: Callable[[str], None]) -> None:
    plan("community")
    assert {get(client, *place).status_code for place in PLACES} == {200}


def test_other_requests_cost_no_query(rf: RequestFactory, django_assert_num_queries: Any) -> None:
    served = WellKnownMiddleware(lambda _: HttpResponse("else"))
    with django_assert_num_queries(0):
        for path in ("/", "/admin/", "/.well-known/", "/mail/"):
            assert served(rf.get(path)).content == b"else"  # type: ignore[attr-defined]
    with django_assert_num_queries(1):
        served(rf.get(POLICY, headers={"host": "mta-sts.example.com"}))


# --- Thunderbird -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", MOZILLA)
def test_thunderbird_finds_the_servers(client: Client, path: str) -> None:
    for host in ("autoconfig.example.com", "example.com", HOST, f"autoconfig.{HOST}"):
        answer = get(client, host, path)
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/xml"), host
        root = ET.fromstring(answer.content)
        assert {element.text for element in root.iter("hostname")} == {HOST}
        assert {element.text for element in root.iter("username")} == {"%EMAILADDRESS%"}
        assert [element.text for element in root.iter("port")] == ["993", "143", "465", "587"]


def test_whether_a_mailbox_exists_is_not_told(client: Client) -> None:
    factories.mailbox("ada@example.com")
    answers = {
        get(client, "autoconfig.example.com", MOZILLA[0], data={"emailaddress": address}).content
        for address in ("ada@example.com", "nobody@example.com", "x@other.example", "<script>", "")
    }
    assert len(answers) == 1


def test_other_names_have_no_settings(client: Client) -> None:
    for host in ("autoconfig.example.org", "autoconfig.com", "com", "autodiscover.example.com"):
        assert get(client, host, MOZILLA[0]).status_code == 400, host


# --- Outlook -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("autodiscover.example.com", OUTLOOK),
        ("autodiscover.example.com", "/Autodiscover/Autodiscover.xml"),
        ("autodiscover.example.com", "/AutoDiscover/AUTODISCOVER.XML"),
        (HOST, OUTLOOK),
        ("example.com", OUTLOOK),
    ],
)
def test_outlook_finds_the_servers(client: Client, host: str, path: str) -> None:
    answer = ask(client, REQUEST.format("Ada@Example.com"), host, path)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/xml")
    servers = [
        [protocol.findtext(ANSWER + tag) for tag in ("Type", "Server", "Port", "SSL", "LoginName")]
        for protocol in ET.fromstring(answer.content).iter(f"{ANSWER}Protocol")
    ]
    assert servers == [
        ["IMAP", HOST, "993", "on", "ada@example.com"],
        ["SMTP", HOST, "465", "on", "ada@example.com"],
    ]


def test_outlook_is_told_the_same_whoever_exists(client: Client) -> None:
    factories.mailbox("ada@example.com")
    ada, bob = (ask(client, REQUEST.format(f"{name}@example.com")).content for name in ("ada", "bob"))
    assert ada.replace(b"ada@", b"bob@") == bob


def test_an_address_is_escaped_both_ways(client: Client) -> None:
    answer = ask(client, REQUEST.format("o&apos;neil&amp;co@example.com"))
    assert ET.fromstring(answer.content).findtext(f".//{ANSWER}LoginName") == "o'neil&co@example.com"


@pytest.mark.parametrize(
    "body",
    [
        "",
        REQUEST.format(""),
        REQUEST.format("ada"),
        REQUEST.format("<b>ada@example.com</b>"),
        REQUEST.format("&who;@example.com"),
        REQUEST.format("ada@example.com\r\nX: y"),
        '<!DOCTYPE a [<!ENTITY who SYSTEM "file:///etc/passwd">]>' + REQUEST.format("ada@example.com"),
        "<!-- -->" + REQUEST.format("ada@example.com"),
        REQUEST.format("ada@example.com") + " " * 10_000,
        b"\xff\xfe\x00" * 100,
    ],
)
def test_what_is_no_request_is_refused_and_not_repeated(client: Client, body: str | bytes) -> None:
    answer = ask(client, body)
    assert answer.status_code == 400
    assert b"ada" not in answer.content and b"root:" not in answer.content


def test_outlook_posts(client: Client) -> None:
    answer = get(client, "autodiscover.example.com", OUTLOOK)
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_outlook_gets_nothing_at_other_names(client: Client) -> None:
    for host in ("autodiscover.example.org", "autoconfig.example.com", "mta-sts.example.com"):
        assert ask(client, REQUEST.format("ada@example.com"), host).status_code == 400, host


# --- the port offset ---------------------------------------------------------------------------------------
def test_ports_are_those_that_the_stack_publishes(client: Client, settings: Any) -> None:
    settings.QUAZZAR_STACK_PORT_OFFSET = 20_000
    assert b"<port>20993</port>" in get(client, "autoconfig.example.com", MOZILLA[0]).content
    assert b"<Port>20465</Port>" in ask(client, REQUEST.format("ada@example.com")).content
