"""The preflight checks that ask the world outside: where the host name leads, and whether port 25 outward is open."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from django.conf import settings

from mailboxes.provisioning import addresses
from mailboxes.stack.preflight.machine import Check, Machine
from quazzar import words


def hostname(machine: Machine) -> Check:
    """Whether it is a full host name, and leads here."""
    try:
        name = addresses.domain(machine.hostname)
    except ValueError as exc:
        return Check("hostname", False, "error", str(exc), "Give a full host name, such as mail.example.org.")
    try:
        found = resolve(name)
    except socket.gaierror as exc:
        if exc.errno == socket.EAI_AGAIN:
            return _astray(f"No name server answered for {name}.", "Look at this machine's name servers.")
        return _astray(f"{name} has no address in the DNS.", "Publish an A record for it (AAAA for IPv6).")
    where = ", ".join(found)
    if not any(is_public(each) for each in found):
        return _astray(
            f"{name} points at {where}, which other mail servers cannot reach.",
            "Publish the public address. /etc/hosts on this machine may hide what the DNS says.",
        )
    foreign = [each for each in found if not is_ours(each)] if machine.is_local else []
    if foreign:
        return _astray(
            f"{name} points at {', '.join(foreign)}, which is no address of this machine.",
            "That is right behind a router that passes the ports on; otherwise correct its A and AAAA records.",
        )
    return Check("hostname", True, "error", f"{name} points at {where}.")


def _astray(message: str, hint: str) -> Check:
    return Check("hostname", False, "warning", message, hint)


def reverse_dns(machine: Machine) -> Check:
    """Whether its addresses lead back to the name, as large receivers want."""
    try:
        name = addresses.domain(machine.hostname)
        public = [each for each in resolve(name) if is_public(each)]
    except (ValueError, OSError):
        public, name = [], machine.hostname
    if not public:
        return Check(
            "reverse_dns", False, "warning", f"{name} has no public address whose reverse DNS could be looked up.",
            "Publish its address first; then set the reverse DNS at your provider to the same name.",
        )  # fmt: skip
    wrong = [each for each in public if name_of(each) != name]
    if wrong:
        called = name_of(wrong[0])
        which = f"is called {called}, not {name}" if called else "has no name"
        return Check(
            "reverse_dns", False, "warning", f"The address {wrong[0]} {which}, so large receivers may refuse mail.",
            f"At the provider of the address set its reverse DNS (PTR) to {name}, or send through the relay.",
        )  # fmt: skip
    return Check("reverse_dns", True, "warning", f"{', '.join(public)} leads back to {name}.")


def resolve(name: str) -> list[str]:
    """The addresses of a name.

    Raises:
        gaierror: it has none, or no name server answers.
    """
    rows = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


def name_of(address: str) -> str:
    """The name of an address; empty when it has none."""
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0].rstrip(".").lower()
    except OSError:
        return ""


def is_public(address: str) -> bool:
    """Whether others can reach it."""
    return ip_address(address.partition("%")[0]).is_global


def is_ours(address: str) -> bool:
    """Whether it is an address of this machine: one can listen on those only."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            return False
    return True


# --- outbound ----------------------------------------------------------------------------------------------
def outbound_25(machine: Machine) -> Check:
    """Whether this machine may talk to other mail servers: many providers block it."""
    target = str(getattr(settings, "QUAZZAR_OUTBOUND_PROBE", "off"))
    if target in ("", "off"):
        return Check(
            "outbound_25", True, "warning", "Whether port 25 outward is open was not tried (it is off)."
        )
    host, _, number = target.rpartition(":")
    if not host or not number.isdecimal():
        return Check(
            "outbound_25", False, "warning", f"Port 25 outward could not be tried: {target!r} is no host:port.",
            "Correct QUAZZAR_OUTBOUND_PROBE, or set it to off.",
        )  # fmt: skip
    try:
        greeting = _greeting(host, int(number), machine.left / 2)
    except socket.gaierror:
        return _blocked(f"{host} is not found in the DNS, so port 25 outward could not be tried.")
    except OSError as exc:
        return _blocked(
            f"Port 25 outward is blocked: {host} cannot be reached ({exc.strerror or 'no answer in time'})."
        )
    if not greeting.startswith("2"):
        said = f"answered “{words.one_line(greeting, 120)}”" if greeting else "did not say a word"
        return _blocked(
            f"Port 25 outward does not lead to a mail server that takes mail from here: {host} {said}."
        )
    return Check("outbound_25", True, "warning", f"Port 25 outward is open: {host} answers.")


def _greeting(host: str, number: int, seconds: float) -> str:
    with socket.create_connection((host, number), timeout=min(5.0, seconds)) as talk:
        line = talk.recv(512).partition(b"\n")[0]
        if line:
            talk.sendall(b"QUIT\r\n")
    return line.decode("utf-8", "replace").strip()


def _blocked(message: str) -> Check:
    hint = "Use the Relay settings as smarthost: send the stack's mail through the relay."
    return Check("outbound_25", False, "warning", message, hint)
