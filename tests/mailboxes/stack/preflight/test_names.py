"""Where the host name leads, and whether outgoing port 25 is open."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mailboxes.stack.blueprint.services import Options
from mailboxes.stack.preflight import names
from mailboxes.stack.preflight.machine import Check, Machine
from tests.fakes import FakeEngine
from tests.mailboxes.stack.preflight.test_runner import LocalEngine
from tests.mailboxes.trials import case
from tests.rig import wait_until

PUBLIC, PRIVATE = "198.41.0.4", "10.0.0.7"
NAME = "mail.example.org"


def machine(hostname: str = NAME, engine: FakeEngine | None = None) -> Machine:
    return Machine(hostname, engine or LocalEngine(), Options("qz-test", hostname, "", 0, {}), 5)


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``dns(PUBLIC, reverse={PUBLIC: NAME}, ours=[PUBLIC])``: what DNS answers, and our addresses."""

    def set_up(
        *addresses: str, reverse: dict[str, str] | None = None, ours: tuple[str, ...] = (PUBLIC, PRIVATE)
    ) -> None:
        def resolve(name: str) -> list[str]:
            if not addresses:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return [*addresses]

        monkeypatch.setattr(names, "resolve", resolve)
        monkeypatch.setattr(names, "name_of", lambda address: (reverse or {}).get(address, ""))
        monkeypatch.setattr(names, "is_ours", lambda address: address in ours)

    return set_up


# --- the host name -----------------------------------------------------------------------------------------
def test_a_name_that_leads_here_is_right(dns: Callable[..., None]) -> None:
    dns(PUBLIC)
    assert names.check_hostname(machine()) == Check("hostname", True, "error", f"{NAME} points to {PUBLIC}.")


def test_what_is_no_full_host_name_is_an_error(dns: Callable[..., None]) -> None:
    for wrong in ("", "mail", "localhost", "mail.example.org/x", "192.0.2.7", "-a.example.org", "a b.org"):
        with case(wrong):
            dns(PUBLIC)
            check = names.check_hostname(machine(wrong))
            assert (
                (check.ok, check.severity) == (False, "error")
                and check.message
                and "mail.example.org" in check.hint
            )


def test_a_name_in_other_letters_is_looked_up_as_the_dns_has_it(dns: Callable[..., None]) -> None:
    dns(PUBLIC)
    assert names.check_hostname(machine("Mail.Bücher.example")).message.startswith(
        "mail.xn--bcher-kva.example "
    )


def test_a_name_without_an_address_is_a_warning(dns: Callable[..., None]) -> None:
    dns()
    check = names.check_hostname(machine())
    assert (check.ok, check.severity) == (False, "warning") and "no address" in check.message


def test_a_silent_name_server_is_not_taken_for_a_missing_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(name: str) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(names, "resolve", silent)
    check = names.check_hostname(machine())
    assert (check.ok, check.severity) == (False, "warning") and "No name server answered" in check.message


def test_an_address_that_others_cannot_reach_is_a_warning(dns: Callable[..., None]) -> None:
    for address in (PRIVATE, "127.0.1.1", "192.168.1.5", "fe80::1", "::1"):
        with case(address):
            dns(address, ours=(address,))
            check = names.check_hostname(machine())
            assert not check.ok and check.severity == "warning" and "cannot reach" in check.message


def test_an_address_of_another_machine_is_a_warning_that_names_it(dns: Callable[..., None]) -> None:
    dns(PUBLIC, "9.9.9.9")
    check = names.check_hostname(machine())
    assert (
        not check.ok
        and check.severity == "warning"
        and "9.9.9.9, which is not an address of this" in check.message
    )


def test_a_private_address_beside_a_public_one_is_no_matter(dns: Callable[..., None]) -> None:
    dns(PUBLIC, PRIVATE)
    assert names.check_hostname(machine()).ok


def test_which_addresses_another_docker_host_has_is_not_known(dns: Callable[..., None]) -> None:
    dns("9.9.9.9")
    assert names.check_hostname(machine(engine=FakeEngine())).ok


def test_this_machine_knows_its_addresses() -> None:
    for address, ours in (("127.0.0.1", True), ("192.0.2.7", False), ("2001:db8::7", False)):
        with case(address, ours):
            assert names.is_ours(address) is ours


def test_the_systems_resolver_is_asked() -> None:
    assert "127.0.0.1" in names.resolve("localhost")
    with pytest.raises(OSError):
        names.resolve("no-such-name.invalid")
    assert names.name_of("192.0.2.7") == ""


# --- reverse DNS -------------------------------------------------------------------------------------------
def test_an_address_that_leads_back_is_right(dns: Callable[..., None]) -> None:
    dns(PUBLIC, PRIVATE, reverse={PUBLIC: NAME})
    assert names.check_reverse_dns(machine("Mail.Example.org")).ok


def test_an_address_that_leads_elsewhere_is_a_warning(dns: Callable[..., None]) -> None:
    for reverse, words in (
        ({}, "has no name"),
        ({PUBLIC: "static.isp.example"}, "is called static.isp.example"),
    ):
        with case(reverse, words):
            dns(PUBLIC, reverse=reverse)
            check = names.check_reverse_dns(machine())
            assert (
                (check.ok, check.severity) == (False, "warning")
                and words in check.message
                and "PTR" in check.hint
            )


def test_without_a_public_address_there_is_nothing_to_lead_back(dns: Callable[..., None]) -> None:
    for addresses in ((), (PRIVATE,)):
        with case(addresses):
            dns(*addresses)
            assert "no public address" in names.check_reverse_dns(machine()).message


# --- outbound ----------------------------------------------------------------------------------------------
@pytest.fixture
def server(settings: Any) -> Iterator[Callable[[bytes], list[bytes]]]:
    """``server(b"220 hi")``: the probe's target greets with this; the list holds what it receives."""
    listener = socket.create_server(("127.0.0.1", 0))
    settings.QUAZZAR_OUTBOUND_PROBE = ("127.0.0.1", listener.getsockname()[1])
    heard: list[bytes] = []

    def serve(greeting: bytes) -> list[bytes]:
        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)
                if greeting:
                    heard.append(connection.recv(100))

        threading.Thread(target=answer, daemon=True).start()
        return heard

    yield serve
    listener.close()


def test_a_mail_server_that_greets_proves_that_25_is_open(server: Callable[[bytes], list[bytes]]) -> None:
    heard = server(b"220 mx.example.com ESMTP\r\n")
    assert names.check_outbound_25(machine()).ok
    wait_until(lambda: heard == [b"QUIT\r\n"], 10, "the probe's farewell")


@pytest.mark.parametrize("greeting", [b"554 5.7.1 your address is listed\r\n", b"", b"\xff\x00rubbish"])
def test_who_does_not_greet_as_a_mail_server_is_a_warning(
    server: Callable[[bytes], list[bytes]], greeting: bytes
) -> None:
    server(greeting)
    check = names.check_outbound_25(machine())
    assert (check.ok, check.severity) == (False, "warning") and "through the relay" in check.hint


def test_a_blocked_port_is_a_warning_that_leads_to_the_relay(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.QUAZZAR_OUTBOUND_PROBE = ("127.0.0.1", listener.getsockname()[1])
    check = names.check_outbound_25(machine())
    assert (check.ok, check.severity) == (False, "warning")
    assert "blocked" in check.message and "Send the mail server's mail through the relay" in check.hint


def test_a_target_that_is_not_found_is_a_warning(settings: Any) -> None:
    settings.QUAZZAR_OUTBOUND_PROBE = ("no-such-host.invalid", 25)
    assert "could not be tested" in names.check_outbound_25(machine()).message


def test_the_probe_can_be_switched_off(settings: Any) -> None:
    settings.QUAZZAR_OUTBOUND_PROBE = None
    check = names.check_outbound_25(machine())
    assert check.ok and not check.tried and "not tested" in check.message
