"""MTA-STS from end to end: records in a real zone, the policy served over TLS by the console, both checked."""

from __future__ import annotations

import ssl
import threading
from functools import partial
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connection

from dnsrecords.checking import check
from dnsrecords.kinds.registry import wanted
from dnsrecords.models import RecordCheck
from dnsrecords.mtasts import fetch as policyfetch
from dnsrecords.records import options
from dnsrecords.records.facts import Facts
from mailboxes.certificates import pem as certificates
from mailboxes.models import Domain
from tests.dnsrecords.mistakes import line, record_line
from tests.mailboxes import factories
from tests.rig import LOOPBACK
from tests.rig.ca import CertificateAuthority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.rig.nameserver import Nameserver

pytestmark = [pytest.mark.real, pytest.mark.django_db(transaction=True)]
DOMAIN = "policy.test"
HOST = f"mta-sts.{DOMAIN}"


class Quiet(WSGIRequestHandler):
    """Writes no log."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """``console(name)``: the console behind TLS, with a certificate for this name."""
    authority, servers = CertificateAuthority(tmp_path), []

    def serve(name: str) -> None:
        certificate = authority.issue([name])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
        server = make_server(LOOPBACK, 0, get_wsgi_application(), handler_class=Quiet)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=_run, args=[server.serve_forever])
        thread.start()
        servers.append((server, thread))
        fetch = partial(policyfetch.fetch, port=server.server_port, context=authority.client_context())
        monkeypatch.setattr(check, "FETCH", fetch)

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join(timeout=20)


def _run(serve: Callable[[], None]) -> None:
    try:
        serve()
    finally:
        connection.close()


@pytest.fixture
def domain(nameserver: Nameserver) -> Domain:
    """All of its records are published."""
    factories.stack(hostname=f"mail.{DOMAIN}")
    domain = factories.domain(DOMAIN, dkim_public_key="QUJD")
    records = wanted(Facts.for_domain(domain))
    lines = [record_line(record) for record in records if record.type != "PTR" and record.value]
    nameserver.publish(DOMAIN, [*lines, line(f"mail.{DOMAIN}", "A", LOOPBACK)])
    return domain


def looked_up(domain: Domain, record: str = "mta_sts") -> tuple[str, str]:
    check.check(domain)
    row = RecordCheck.objects.get(domain=domain, record=record)
    return row.status, row.message


def test_records_and_policy_agree(domain: Domain, console: Callable[[str], None]) -> None:
    console(HOST)
    assert looked_up(domain) == ("ok", "")
    ours = RecordCheck.objects.filter(
        record__in=["mta_sts_host", "autoconfig", "autodiscover", "srv_autodiscover"]
    )
    assert set(ours.values_list("status", flat=True)) == {"ok"} and ours.count() == 4


def test_a_policy_that_has_changed_wants_another_id(domain: Domain, console: Callable[[str], None]) -> None:
    console(HOST)
    factories.stack(hostname=f"mx.{DOMAIN}")
    status, message = looked_up(domain)
    assert status == "mismatch" and "has changed since" in message
    options.change(domain.pk, mta_sts="off")
    check.check(domain)
    assert not RecordCheck.objects.filter(record="mta_sts").exists()


def test_a_certificate_for_another_name_is_found(domain: Domain, console: Callable[[str], None]) -> None:
    console(f"mail.{DOMAIN}")
    status, message = looked_up(domain)
    assert status == "mismatch" and f"Give the console's HTTPS proxy a certificate for {HOST}" in message


def test_the_key_on_port_25_is_pinned_in_a_signed_zone(nameserver: Nameserver) -> None:
    certificate = certificates.self_signed("mail.pinned.test")[0]
    factories.stack(enabled=True, hostname="mail.pinned.test", tls_certificate=certificate)
    domain = factories.domain("pinned.test")
    nameserver.publish("pinned.test", ["mail A 192.0.2.1"], signed=True)
    check.check(domain)
    pin = next(record for record in wanted(Facts.for_domain(domain)) if record.type == "TLSA")
    nameserver.publish("pinned.test", [record_line(pin)], signed=True)
    assert looked_up(domain, "tlsa_25") == ("ok", "")
    factories.stack(tls_certificate=certificates.self_signed("mail.pinned.test")[0])
    status, message = looked_up(domain, "tlsa_25")
    assert status == "mismatch" and "refuse to send" in message


def test_a_proxy_that_is_down_is_no_answer(domain: Domain) -> None:
    status, message = looked_up(domain)
    assert status == "error" and f"nothing listens at {HOST}" in message
