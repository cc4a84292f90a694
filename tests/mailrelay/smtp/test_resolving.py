"""Host names and their addresses."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from mailrelay.smtp.resolving import resolve
from quazzar.errors import DeliveryError


def failing(exc: Exception) -> Callable[..., NoReturn]:
    """A resolver that answers with this failure."""

    def getaddrinfo(*args: Any, **options: Any) -> NoReturn:
        raise exc

    return getaddrinfo


def failure(host: str, seconds: float = 10) -> DeliveryError:
    """What resolving raises."""
    with pytest.raises(DeliveryError) as caught:
        resolve(host, 587, seconds)
    assert (caught.value.stage, caught.value.permanent) == ("resolve", False)
    assert host in caught.value.message and caught.value.message.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    ("host", "family", "address"),
    [("127.0.0.1", socket.AF_INET, ("127.0.0.1", 587)), ("::1", socket.AF_INET6, ("::1", 587, 0, 0))],
)
def test_an_address_literal_is_its_own_answer(host: str, family: int, address: tuple[Any, ...]) -> None:
    assert resolve(host, 587, 10) == [(family, address)]


def test_a_name_gives_all_its_addresses_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [
        (family, socket.SOCK_STREAM, 6, "", (host, 25)) for family, host in ((10, "::1"), (2, "127.0.0.1"))
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: answer)
    assert resolve("mx.example", 25, 10) == [(10, ("::1", 25)), (2, ("127.0.0.1", 25))]


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY])
def test_a_name_that_does_not_exist_is_not_found(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", failing(socket.gaierror(number, "Name or service not known")))
    assert failure("nosuch.invalid").kind == "dns_not_found"


def test_a_real_resolver_finds_nothing_under_invalid() -> None:
    assert failure("nosuch.invalid").kind in (
        "dns_not_found",
        "dns_failed",
    )  # the latter on a machine without DNS


def test_any_other_failure_is_a_failed_look_up(
    subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for exc in [
        socket.gaierror(socket.EAI_AGAIN, "Try again"),
        socket.gaierror(socket.EAI_FAIL, "Failed"),
        OSError("no"),
        OverflowError("port"),
    ]:
        with subtests.test(exc=exc):
            monkeypatch.setattr(socket, "getaddrinfo", failing(exc))
            error = failure("mx.example")
            assert (error.kind, error.__cause__) == ("dns_failed", exc)
            assert error.message == "The name mx.example could not be resolved."


@pytest.mark.parametrize(
    "exc",
    [
        ValueError("embedded null character"),
        # Python 3.11 says the first, 3.13 the second.
        UnicodeError("encoding with 'idna' codec failed (UnicodeError: label empty or too long)"),
        UnicodeEncodeError("idna", "mx.example", 0, 1, "label empty"),
    ],
)
def test_what_cannot_be_a_name_is_not_found(monkeypatch: pytest.MonkeyPatch, exc: Exception) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", failing(exc))
    error = failure("mx.example")
    assert (error.kind, error.message) == ("dns_not_found", "'mx.example' is not a valid hostname.")


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "a b"])
def test_a_real_resolver_refuses_what_cannot_be_a_name(host: str) -> None:
    assert failure(host).kind in ("dns_failed", "dns_not_found")


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Name servers that never answer, until the event is set."""
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: over.wait(30) and [])
    yield over
    over.set()


def test_name_servers_that_do_not_answer_are_not_waited_for(silence: threading.Event) -> None:
    slow = failure("mx.example", seconds=0.05)
    assert (slow.kind, silence.is_set()) == ("dns_failed", False)
    assert "No name server answered" in slow.message
