"""What is new in a real IMAP mailbox is read once, whatever happens in between."""

from __future__ import annotations

import base64
import hashlib
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from mailrelay.inbox import fetching, imap, readers
from mailrelay.inbox.imap import Account, InboxError, Mailbox
from mailrelay.models import Inbox
from quazzar.errors import KeyFileError
from quazzar.machines import locks
from tests.mailrelay.inbox.conftest import mail
from tests.rig import or_skip
from tests.rig.ca import Certificate, CertificateAuthority
from tests.rig.dovecot import RealDovecot


def test_a_report_is_stored_once_and_marked_as_read(
    inbox: Inbox, server: RealDovecot, stored: list[bytes]
) -> None:
    server.deliver(mail("report 1"))
    server.deliver(mail("a letter"))

    assert fetching.look_at_all() == 1
    assert fetching.look_at_all() == 0

    assert [one.partition(b"\r\n")[0] for one in stored] == [b"Subject: report 1"]
    assert server.flags() == ["S", ""]
    inbox.refresh_from_db()
    assert (inbox.number_read, inbox.last_error) == (1, None)


def test_what_comes_later_is_read_at_the_next_look(
    inbox: Inbox, server: RealDovecot, stored: list[bytes]
) -> None:
    fetching.look(inbox)
    server.deliver(mail("report 1"))
    inbox.refresh_from_db()
    assert fetching.look(inbox) == 1
    assert len(stored) == 1


def test_reports_are_moved_if_the_operator_wants_that(
    inbox: Inbox, server: RealDovecot, stored: list[bytes]
) -> None:
    Inbox.objects.update(after="move", processed_folder="Gelesen & erledigt")
    server.deliver(mail("report 1"))
    server.deliver(mail("a letter"))
    assert fetching.look_at_all() == 1
    assert server.flags() == [""]
    assert [folder.name for folder in server.maildir.iterdir() if folder.name.startswith(".G")]


def test_new_uids_change_nothing(inbox: Inbox, server: RealDovecot, stored: list[bytes]) -> None:
    server.deliver(mail("report 1"))
    fetching.look_at_all()
    server.stop()
    server.number_anew()
    server.start()
    server.deliver(mail("report 2"))
    fetching.look_at_all()
    assert len(stored) == 2


def test_a_mail_that_always_stops_the_worker_is_skipped(
    inbox: Inbox, server: RealDovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: bytes) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(readers, "_readers", {"broken": fail})
    server.deliver(mail("report 1"))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fetching.look_at_all()
    assert fetching.look_at_all() == 0
    inbox.refresh_from_db()
    assert inbox.last_uid == 1


def test_no_mail_is_skipped_because_the_key_file_is_away(
    inbox: Inbox, server: RealDovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: bytes) -> bool:
        raise KeyFileError

    monkeypatch.setattr(readers, "_readers", {"sealing": fail})
    server.deliver(mail("report 1"))
    for _ in range(6):
        fetching.look_at_all()
    inbox.refresh_from_db()
    assert inbox.last_uid == 0
    assert inbox.last_error is not None


def test_a_wrong_password_says_what_to_do(inbox: Inbox, server: RealDovecot) -> None:
    inbox.password = "wrong"
    inbox.save()
    fetching.look(inbox)
    inbox.refresh_from_db()
    assert inbox.last_error is not None
    assert "refused the sign-in" in inbox.last_error["message"]
    assert "app password" in inbox.last_error["hint"]


def test_a_folder_that_is_missing_is_named(inbox: Inbox, server: RealDovecot) -> None:
    inbox.folder = "Bounces"
    fetching.look(inbox)
    inbox.refresh_from_db()
    assert inbox.last_error is not None
    assert inbox.last_error["message"] == "The mailbox has no folder Bounces."


def test_a_server_that_is_away_is_told_and_read_again_once_it_is_back(
    inbox: Inbox, server: RealDovecot, stored: list[bytes]
) -> None:
    server.stop()
    fetching.look(inbox)
    inbox.refresh_from_db()
    assert inbox.last_error is not None
    assert "Nothing listens" in inbox.last_error["message"]
    server.start()
    server.deliver(mail("report 1"))
    assert fetching.look(inbox) == 1
    inbox.refresh_from_db()
    assert inbox.last_error is None


@pytest.mark.parametrize("mechanisms", ["plain login", "login"])
@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_it_signs_in_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str, mechanisms: str
) -> None:
    authority = CertificateAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    with or_skip(lambda: RealDovecot(authority.issue(), mechanisms=mechanisms)) as server:
        port = server.tls_port if security == "tls" else server.port
        with Mailbox(Account("localhost", port, security, server.username, server.password)) as mailbox:
            assert mailbox.select("INBOX")[0]


def test_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    with or_skip(lambda: RealDovecot(authority.issue())) as server:
        account = Account("localhost", server.tls_port, "tls", server.username, server.password)
        with pytest.raises(InboxError, match="certificate of localhost"):
            Mailbox(account)


def pinned(server: RealDovecot, *certificates: str, hosts: tuple[str, ...] = ("127.0.0.1",)) -> Account:
    return Account(
        hosts[0],
        server.tls_port,
        "tls",
        server.username,
        server.password,
        tuple(hosts[1:]),
        tuple(certificates),
    )


def fingerprint(certificate: Certificate) -> str:
    der = ssl.PEM_cert_to_DER_cert(
        certificate.cert_file.read_text().partition("-----END")[0] + "-----END CERTIFICATE-----"
    )
    return hashlib.sha256(der).hexdigest()


def test_a_server_with_the_pinned_certificate_is_taken_even_if_it_signed_itself(tmp_path: Path) -> None:
    certificate = CertificateAuthority(tmp_path).self_signed()
    with (
        or_skip(lambda: RealDovecot(certificate)) as server,
        Mailbox(pinned(server, "ab" * 32, fingerprint(certificate))) as mailbox,
    ):
        assert mailbox.select("INBOX")[0]


def test_another_server_gets_no_password_even_if_an_authority_vouches_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = CertificateAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    monkeypatch.setattr(Mailbox, "_sign_in", lambda _: pytest.fail("it tried to sign in"))
    told = pytest.raises(InboxError, match="does not have the certificate of this node's mail server")
    with or_skip(lambda: RealDovecot(authority.issue())) as server, told:
        Mailbox(pinned(server, "ab" * 32))


def test_the_next_host_is_tried_and_the_first_one_is_named_if_none_answers(tmp_path: Path) -> None:
    certificate = CertificateAuthority(tmp_path).self_signed()
    with or_skip(lambda: RealDovecot(certificate)) as server:
        with Mailbox(pinned(server, fingerprint(certificate), hosts=("127.0.0.9", "127.0.0.1"))) as mailbox:
            assert mailbox.host == "127.0.0.1"
        server.stop()
        with pytest.raises(InboxError, match=r"Nothing listens at 127\.0\.0\.9"):
            Mailbox(pinned(server, fingerprint(certificate), hosts=("127.0.0.9", "127.0.0.1")))


def test_of_its_own_mailbox_spam_is_read_too_and_old_mail_removed(
    inbox: Inbox, server: RealDovecot, stored: list[bytes], settings: Any
) -> None:
    Inbox.objects.update(owned=True)
    server.deliver(mail("report old"))
    assert fetching.look_at_all() == 1
    server.deliver(mail("report in junk"), "Junk")
    assert fetching.look_at_all() == 1
    assert [one.partition(b"\r\n")[0] for one in stored] == [
        b"Subject: report old",
        b"Subject: report in junk",
    ]
    settings.QUAZZAR_OWN_MAILBOX_DAYS = -1  # as if a day had passed
    Inbox.objects.update(looked_at=timezone.now() - timedelta(hours=1))
    fetching.look_at_all()
    assert server.flags() == []


def test_of_other_mailboxes_nothing_is_removed(
    inbox: Inbox, server: RealDovecot, stored: list[bytes], settings: Any
) -> None:
    server.deliver(mail("report 1"))
    settings.QUAZZAR_OWN_MAILBOX_DAYS = -1
    fetching.look_at_all()
    assert server.flags() == ["S"]


def test_without_tls_nothing_is_sent_to_a_server_that_must_have_it(server: RealDovecot) -> None:
    with pytest.raises(InboxError, match="does not offer STARTTLS"):
        Mailbox(Account("localhost", server.port, "starttls", server.username, server.password))


@pytest.mark.parametrize("name", ["INBOX", "Gelesen & erledigt", 'say "x"', "届いた", "&&ä&"])
def test_names_of_folders_are_written_as_imap_wants_them(name: str) -> None:
    quoted = imap._quoted(name)
    assert quoted.isascii()
    plain = quoted[1:-1].replace('\\"', '"')
    assert _decoded(plain) == name


def _decoded(text: str) -> str:
    """Modified UTF-7 as text, read without the code under test."""
    out, rest = "", text
    while rest:
        before, ampersand, rest = rest.partition("&")
        out += before
        if ampersand:
            coded, _, rest = rest.partition("-")
            padded = coded.replace(",", "/") + "=" * (-len(coded) % 4)
            out += base64.b64decode(padded).decode("utf-16-be") if coded else "&"
    return out


def test_the_password_is_in_no_repr() -> None:
    assert "secret" not in repr(Account("h", 993, "tls", "u", "secret"))


def test_while_one_thread_looks_no_other_does(inbox: Inbox, server: RealDovecot, stored: list[bytes]) -> None:
    """Four servers that do not answer would otherwise take the worker's four threads, and no mail would be sent."""
    server.deliver(mail("report 1"))
    with locks.single("inboxes") as mine:
        assert mine and fetching.look_at_all() == 0
    assert fetching.look_at_all() == 1


def test_two_looks_at_once_count_a_report_once(
    inbox: Inbox, server: RealDovecot, stored: list[bytes]
) -> None:
    server.deliver(mail("report 1"))
    other = Inbox.objects.get()  # as it was before the first look
    assert fetching.look(inbox) == 1
    assert fetching.look(other) == 0
    inbox.refresh_from_db()
    assert inbox.number_read == len(stored) == 1
