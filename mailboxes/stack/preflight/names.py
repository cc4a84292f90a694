"""The preflight checks that ask other machines: where the host name leads, and whether outgoing port 25 is open."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from django.conf import settings

from mailboxes.provisioning import addresses
from mailboxes.stack.preflight.machine import Check, Machine, error, passed, warning
from quazzar import words


def check_hostname(machine: Machine) -> Check:
    """Whether the name is a full host name and leads to this machine."""
    try:
        name = addresses.domain(machine.hostname)
    except ValueError as exc:
        return error("hostname", str(exc), "Enter a full hostname, such as mail.example.org.")
    try:
        addresses_found = resolve(name)
    except socket.gaierror as exc:
        if exc.errno == socket.EAI_AGAIN:
            return warning(
                "hostname", f"No name server answered for {name}.", "Check this machine's name servers."
            )
        return warning("hostname", f"{name} has no address in DNS.", "Publish an A record for it.")
    where = ", ".join(addresses_found)
    if not any(map(is_public, addresses_found)):
        return warning(
            "hostname",
            f"{name} points to {where}, which other mail servers cannot reach.",
            "Publish the public address. /etc/hosts on this machine may override DNS.",
        )
    foreign = [address for address in addresses_found if not is_ours(address)] if machine.is_local else []
    if foreign:
        return warning(
            "hostname",
            f"{name} points to {', '.join(foreign)}, which is not an address of this machine.",
            "Behind a router that forwards the ports, this is fine. Otherwise, correct its A record.",
        )
    return passed("hostname", f"{name} points to {where}.")


def check_reverse_dns(machine: Machine) -> Check:
    """Whether the addresses of the name lead back to it, as large receivers demand."""
    try:
        name = addresses.domain(machine.hostname)
        public = list(filter(is_public, resolve(name)))
    except (ValueError, OSError):
        public, name = [], machine.hostname
    if not public:
        return warning(
            "reverse_dns",
            f"{name} has no public address, so its reverse DNS cannot be checked.",
            "Publish its address first. Then set the reverse DNS at your provider to the same name.",
        )
    wrong = [address for address in public if name_of(address) != name]
    if wrong:
        other_name = name_of(wrong[0])
        state = f"is called {other_name}, not {name}" if other_name else "has no name"
        return warning(
            "reverse_dns",
            f"The address {wrong[0]} {state}, so large receivers may refuse mail.",
            f"Set the address's reverse DNS (PTR) to {name} at its provider, or send through the relay.",
        )
    return passed("reverse_dns", f"{', '.join(public)} leads back to {name}.", "warning")


def resolve(name: str) -> list[str]:
    """The IP addresses of a name.

    Raises:
        socket.gaierror: it has none, or no name server answers.
    """
    rows = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


def name_of(address: str) -> str:
    """The name of an address, in lower case; empty if it has none."""
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0].rstrip(".").lower()
    except OSError:
        return ""


def is_public(address: str) -> bool:
    """Whether the address can be reached from the internet."""
    return ip_address(address.partition("%")[0]).is_global


def is_ours(address: str) -> bool:
    """Whether it is an address of this machine, which is the only kind that one can bind to."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            return False
    return True


# --- outbound ----------------------------------------------------------------------------------------------
def check_outbound_25(machine: Machine) -> Check:
    """Whether this machine may connect to other mail servers, which many providers block."""
    target: tuple[str, int] | None = settings.QUAZZAR_OUTBOUND_PROBE
    if target is None:
        text = "Outgoing port 25 was not tested (QUAZZAR_OUTBOUND_PROBE is off)."
        return Check("outbound_25", True, "warning", text, tried=False)
    host, number = target
    try:
        line = greeting(host, number, machine.left / 2)
    except socket.gaierror:
        return _blocked(f"{host} was not found in DNS, so outgoing port 25 could not be tested.")
    except OSError as exc:
        return _blocked(
            f"Outgoing port 25 is blocked: {host} cannot be reached ({exc.strerror or 'no answer in time'})."
        )
    if not line.startswith("2"):
        answer = f"answered “{words.one_line(line, 120)}”" if line else "sent no greeting"
        return _blocked(
            f"Outgoing port 25 does not reach a mail server that accepts mail from this node: {host} "
            f"{answer}."
        )
    return passed("outbound_25", f"Outgoing port 25 is open: {host} answers.", "warning")


def greeting(host: str, number: int, seconds: float) -> str:
    """The first line of a mail server, as this machine sees it; empty if it says nothing.

    Raises:
        OSError: it cannot be reached.
    """
    with socket.create_connection((host, number), timeout=min(5.0, seconds)) as connection:
        line = connection.recv(512).partition(b"\n")[0]
        if line:
            connection.sendall(b"QUIT\r\n")
    return line.decode("utf-8", "replace").strip()


def _blocked(message: str) -> Check:
    hint = "Send the mail server's mail through the relay in the Relay settings."
    return warning("outbound_25", message, hint)
