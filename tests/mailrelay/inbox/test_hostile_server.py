"""A server that is none of the operator's, or broken: no answer fills the memory, and each is told in a sentence."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from mailrelay.inbox.imap import Account, InboxError, Mailbox

Start = Callable[[bytes, bytes], Account]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a server that answers as IMAP servers do, but to this command with these bytes, again and again."""
    listener = socket.create_server(("127.0.0.1", 0))

    def begin(command: bytes, answer: bytes) -> Account:
        threading.Thread(target=serve, args=(listener, command, answer), daemon=True).start()
        return Account("127.0.0.1", listener.getsockname()[1], "none", "anna", "secret")

    with listener:
        yield begin


def serve(listener: socket.socket, command: bytes, answer: bytes) -> None:
    usual = {
        b"CAPABILITY": b"* CAPABILITY IMAP4rev1\r\n",
        b"SELECT": b"* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\n",
        b"SEARCH": b"* SEARCH 1\r\n",
        b"RFC822.SIZE": b"* 1 FETCH (UID 1 RFC822.SIZE 5)\r\n",
    }
    try:
        client = listener.accept()[0]
        with client, client.makefile("rwb") as stream:
            stream.write(b"* OK hello\r\n")
            stream.flush()
            while line := stream.readline():
                if command in line:
                    while True:
                        stream.write(answer)
                name = next((name for name in usual if name in line), b"")
                stream.write(usual.get(name, b"") + line.split()[0] + b" OK done\r\n")
                stream.flush()
    except OSError:
        pass  # the client has had enough


@pytest.mark.parametrize("command", [b"CAPABILITY", b"SEARCH", b"BODY.PEEK"])
@pytest.mark.parametrize(
    "answer",
    [
        b"* 1 FETCH (BODY[] {8000000000}\r\n" + b"x" * 100_000,
        b"* 1 FETCH (BODY[] {" + b"9" * 40 + b"}\r\n",
        b"* 1 FETCH (FLAGS (" + b"x" * 5_000 + b"))\r\n",
        b"x" * 100_000,
        b"\0\r\n",
    ],
    ids=["literal", "number", "lines", "line", "rubbish"],
)
def test_no_answer_is_taken_that_does_not_fit_in_memory(start: Start, command: bytes, answer: bytes) -> None:
    def look() -> None:
        with Mailbox(start(command, answer)) as mailbox:
            mailbox.select("INBOX")
            for uid in mailbox.after(0):
                mailbox.fetch(uid)

    with pytest.raises(InboxError) as caught:
        look()
    assert caught.value.message.endswith(".")
