"""Every new mail is offered to every reader."""

from __future__ import annotations

import pytest

from mailrelay.inbox import readers


@pytest.fixture(autouse=True)
def no_other_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_readers", {})


def test_every_reader_gets_the_mail_and_those_that_store_it_are_named() -> None:
    seen: list[tuple[str, bytes]] = []

    def reader(name: str, *, stores: bool) -> readers.Reader:
        def read(raw: bytes) -> bool:
            seen.append((name, raw))
            return stores

        return read

    readers.register("bounces", reader("bounces", stores=False))
    readers.register("DMARC reports", reader("DMARC reports", stores=True))

    assert readers.read(b"Subject: x\r\n\r\n") == ["DMARC reports"]
    assert seen == [("bounces", b"Subject: x\r\n\r\n"), ("DMARC reports", b"Subject: x\r\n\r\n")]


def test_a_reader_registered_again_is_replaced() -> None:
    readers.register("bounces", lambda _: True)
    readers.register("bounces", lambda _: False)
    assert readers.read(b"") == []
