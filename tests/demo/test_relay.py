"""The demo's relay: wants TLS and a login, keeps what it takes, and refuses where the demo is to show that."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import certificate, loopback, relay, store


@pytest.fixture
def client(tmp_path: Path) -> Iterator[smtplib.SMTP]:
    """Connected, before STARTTLS."""
    files = tmp_path / "relay.pem", tmp_path / "relay.key"
    certificate.make(*files)
    (tmp_path / "captured").mkdir()
    with smtplib.SMTP("127.0.0.1", relay.serve(tmp_path / "captured", *files), timeout=60) as connected:
        yield connected


def _signed_in(client: smtplib.SMTP, folder: Path, password: str = relay.PASSWORD) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=folder / "relay.pem")
    client._host = loopback.RELAY  # type: ignore[attr-defined]  # the name that the certificate is for
    client.starttls(context=context)
    client.login(relay.USERNAME, password)
    return client


def test_a_mail_is_kept_byte_for_byte_with_its_envelope(client: smtplib.SMTP, tmp_path: Path) -> None:
    mail = b"Subject: =?utf-8?q?caf=C3=A9?=\r\nTo: b@b.example\r\n\r\n.dot\r\nbody \xc3\xa9\r\n"
    _signed_in(client, tmp_path).sendmail(
        "a@a.example", ["b@b.example", "c@c.example"], mail, ["BODY=8BITMIME"]
    )
    (kept,) = store.listed(tmp_path / "captured", 9)
    assert (kept.sender, kept.recipients, kept.data) == ("a@a.example", ("b@b.example", "c@c.example"), mail)


def test_nobody_sends_without_tls_or_with_another_password(client: smtplib.SMTP, tmp_path: Path) -> None:
    assert client.docmd("MAIL FROM:<a@a.example>")[0] == 530
    with pytest.raises(smtplib.SMTPAuthenticationError):
        _signed_in(client, tmp_path, "another")
    assert client.docmd("MAIL FROM:<a@a.example>")[0] == 530
    assert store.listed(tmp_path / "captured", 9) == []


def test_three_domains_are_refused_each_in_its_way(client: smtplib.SMTP, tmp_path: Path) -> None:
    _signed_in(client, tmp_path)

    def answers(domain: str) -> list[int]:
        codes = []
        for _ in range(4):
            client.mail("a@a.example")
            codes.append(client.rcpt(f"someone@{domain}")[0])
            client.rset()
        return codes

    assert answers("closed.example") == [550] * 4
    assert answers("busy.example") == [451] * 4
    assert answers("slow.example") == [450, 450, 250, 450]
