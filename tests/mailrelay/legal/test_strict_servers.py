"""Debian's Exim and Postfix, configured strictly, accept careless mails once they are converted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from mailrelay.mail import rawmail, tidying
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Envelope, Target
from tests.mailrelay.legal.mails import MAILS
from tests.mailrelay.mail.test_tidying import LOOSE as LOOSE_LISTS
from tests.mailrelay.mail.test_tidying import STRICT as STRICT_LISTS
from tests.rig import Running, or_skip
from tests.rig.exim import StrictExim
from tests.rig.postfix import RealPostfix

pytestmark = pytest.mark.real
STRICT = {
    "strict_8bitmime_body": "yes",  # strict_7bit_headers, the other half, knows nothing of SMTPUTF8
    "strict_mime_encoding_domain": "yes",
    "strict_rfc821_envelopes": "yes",
}
SERVERS: dict[str, Callable[[], StrictExim | RealPostfix]] = {
    "exim": StrictExim,
    "exim-7bit": lambda: StrictExim(eight_bit=False, utf8=False),
    "postfix": lambda: RealPostfix(options=STRICT),
    "postfix-7bit": lambda: RealPostfix(
        options={**STRICT, "smtpd_discard_ehlo_keywords": "8bitmime,smtputf8", "strict_7bit_headers": "yes"}
    ),
}


@pytest.fixture(scope="module", params=SERVERS)
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """An open connection to the server."""
    server: Running = or_skip(SERVERS[request.param])
    with server:
        port = server.port if isinstance(server, StrictExim) else server.plain_port  # type: ignore[attr-defined]
        connection = Connection(Target("127.0.0.1", port, "none"), deadline=time.monotonic() + 120).open()
        yield connection
        connection.close()


def test_every_careless_mail_is_taken(connection: Connection, subtests: pytest.Subtests) -> None:
    for name, data in MAILS.items():
        with subtests.test(name):
            mail = tidying.with_understood_addresses(tidying.without_surplus(rawmail.read(data)))
            outcome = connection.send(Envelope("node@example.com", ("a@inbox.test",), mail.as_bytes()))
            assert outcome.error is None, outcome.error
            assert outcome.reply is not None
            assert outcome.reply.code == 250


def test_every_list_of_addresses_is_taken_as_it_was_understood(
    connection: Connection, subtests: pytest.Subtests
) -> None:
    for name in ("To", "Reply-To", "From"):
        for text in (*STRICT_LISTS, *(loose for loose, wanted in LOOSE_LISTS.items() if wanted)):
            if name == "From" and ":" in text:  # RFC 5322 §3.6.2: no groups
                continue
            with subtests.test(text):
                mail = tidying.with_understood_addresses(rawmail.read(f"{name}: {text}\n\nx\n".encode()))
                outcome = connection.send(Envelope("node@example.com", ("a@inbox.test",), mail.as_bytes()))
                assert outcome.error is None, outcome.error


def test_an_address_that_needs_smtputf8_is_taken_or_refused_in_our_own_words(connection: Connection) -> None:
    outcome = connection.send(
        Envelope("node@example.com", ("a@inbox.test",), "To: jörg@example.com, a@inbox.test\n\nx\n".encode())
    )
    if "smtputf8" in connection._features:
        assert outcome.error is None
    else:
        assert outcome.error is not None
        assert (outcome.error.kind, outcome.reply) == ("smtputf8_not_offered", None)
