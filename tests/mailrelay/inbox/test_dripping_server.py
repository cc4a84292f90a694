"""A server that sends a byte now and then: no single wait is long, and still the look ends."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from mailrelay.inbox import imap
from mailrelay.inbox.imap import Account, InboxError, Mailbox
from tests.tiers import some

#: Each byte comes well within what one wait may take. After so many it would give up by itself.
_BETWEEN, _MOST = 0.1, 300
_USUAL = {
    b"CAPABILITY": b"* CAPABILITY IMAP4rev1\r\n",
    b"SEARCH": b"* SEARCH 1\r\n",
    b"SIZE": b"* 1 FETCH (RFC822.SIZE 9)\r\n",
}
Start = Callable[[str], Account]


class Dripping:
    """Speaks IMAP, but drips in answer to one command, to a connection at once, or within TLS's first record."""

    def __init__(self, at: str) -> None:
        self.at = at

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            if self.at == "tls":
                await self.drip(writer, b"\x16\x03\x03\x40\x00")
            if self.at == "greeting":
                await self.drip(writer, b"* OK ")
            writer.write(b"* OK hello\r\n")
            while line := await reader.readline():
                if self.at.encode() in line:
                    await self.drip(
                        writer, b"* 1 FETCH (BODY[] {5000000}\r\n" if self.at == "BODY" else b"* X"
                    )
                usual = next((answer for name, answer in _USUAL.items() if name in line), b"")
                writer.write(usual + line.split()[0] + b" OK done\r\n")
                await writer.drain()
        writer.close()

    async def drip(self, writer: asyncio.StreamWriter, begins: bytes) -> None:
        writer.write(begins)
        for _ in range(_MOST):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(_BETWEEN)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(imap, "_SECONDS_IN_ALL", 0.4)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def begin(at: str) -> Account:
        serving = asyncio.start_server(Dripping(at).serve, "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(serving, loop).result()
        port = server.sockets[0].getsockname()[1]
        return Account("127.0.0.1", port, "tls" if at == "tls" else "none", "anna", "secret")

    yield begin
    asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@pytest.mark.long
@pytest.mark.parametrize(
    "at", some(("tls", "greeting", "CAPABILITY", "LOGIN", "SELECT", "SEARCH", "BODY"), 3)
)
def test_a_look_at_a_server_that_drips_ends(start: Start, at: str) -> None:
    def look() -> None:
        with Mailbox(start(at)) as mailbox:
            mailbox.select("INBOX")
            for uid in mailbox.after(0):
                mailbox.fetch(uid)

    with pytest.raises(InboxError) as caught:
        look()
    assert caught.value.message.startswith("127.0.0.1 took longer than ")
    assert "answers too slowly" in caught.value.hint
