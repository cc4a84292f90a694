"""Whether a port of this machine can be published, and what holds it. Uses sockets and /proc only."""

from __future__ import annotations

import errno
import re
import socket
from dataclasses import dataclass

from quazzar.processes.ports import holder

_UNKNOWN = "another program"
#: What Docker publishes on if no address is chosen: every IPv4 address of this machine.
_EVERYWHERE = "0.0.0.0"  # noqa: S104
#: Seconds for a program on this machine to send its greeting.
_GREETS_WITHIN = 1.0
_MAIL_PORTS = frozenset({25, 465, 587})
#: Word in a process name or greeting → systemd unit that it belongs to on Debian and its derivatives.
_UNITS = {
    "postfix": "postfix",
    "exim": "exim4",
    "sendmail": "sendmail",
    "opensmtpd": "opensmtpd",
    "smtpd": "opensmtpd",
    "dovecot": "dovecot",
    "cyrus": "cyrus-imapd",
    "cyrmaster": "cyrus-imapd",
    "courier": "courier-imap",
    "rspamd": "rspamd",
}
_FREE_THE_PORT = (
    "Stop it, or give the mail server other ports (QUAZZAR_STACK_PORT_OFFSET) or its own address "
    "(QUAZZAR_STACK_BIND)."
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a port cannot be published, in words for the operator."""

    message: str
    hint: str


def obstacle(port: int, bind: str, standard: int) -> Obstacle | None:
    """What keeps us from publishing the port; None if nothing does.

    Args:
        bind: IPv4 address to publish on.
        standard: the port without QUAZZAR_STACK_PORT_OFFSET, which says what it is for: 25 is SMTP.
    """
    try:
        _try(bind, port)
    except OSError as exc:
        return _obstacle(exc, bind, port, standard)
    return None


def _try(address: str, port: int) -> None:
    """Binds to the port and releases it. Nobody can connect in between, because nothing listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        # Like Docker's own proxy: connections that have ended must not block the port.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((address, port))


def _obstacle(exc: OSError, address: str, port: int, standard: int) -> Obstacle | None:
    if exc.errno == errno.EADDRINUSE:
        return port_taken(port, address, standard)
    if exc.errno == errno.EACCES:
        # Ports below 1024 need root, which Docker has. So what counts is whether something answers.
        return port_taken(port, address, standard) if _answers(address, port) else None
    return Obstacle(
        f"Port {port} cannot be published on {address}: {exc.strerror}.",
        "Set QUAZZAR_STACK_BIND to an address of this machine, or leave it empty for all.",
    )


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((_reachable(address), port), timeout=_GREETS_WITHIN).close()
    except OSError:
        return False
    return True


def _reachable(address: str) -> str:
    return "127.0.0.1" if address == _EVERYWHERE else address


def port_taken(port: int, address: str, standard: int) -> Obstacle:
    """The obstacle for a port that something listens on: what holds it, and how to free it."""
    program = holder(port)
    if not program and (greeting := _greeting(address, port)):
        # Only root may see which process of another user it is, but mail servers introduce themselves.
        program = f"a program that greets with “{greeting}”"
    return Obstacle(f"Port {port} is already taken by {program or _UNKNOWN}.", _hint(program, port, standard))


def _greeting(address: str, port: int) -> str:
    try:
        with socket.create_connection((_reachable(address), port), timeout=_GREETS_WITHIN) as connection:
            line = connection.recv(200).partition(b"\n")[0]
    except OSError:
        return ""
    return re.sub(r"[^\x20-\x7e]", "", line.decode("ascii", "ignore")).strip()[:100]


def _hint(program: str, port: int, standard: int) -> str:
    unit = unit_of(program, standard)
    if unit:
        instead = (
            " bin/quazzar-sendmail then handles mail from cron and similar programs."
            if standard == 25
            else ""
        )
        return f"If nothing else needs it: systemctl disable --now {unit}.{instead}"
    if not program:
        return f"Find out as root which program it is: ss -ltnp 'sport = :{port}'. {_FREE_THE_PORT}"
    return _FREE_THE_PORT


def unit_of(program: str, standard: int) -> str:
    """The systemd unit of the program that holds a port, judging by its name; empty if that does not tell."""
    word = program.lower()
    if standard in _MAIL_PORTS and word.startswith("master "):
        return "postfix"  # Postfix's main process is called master
    return next((unit for name, unit in _UNITS.items() if name in word), "")
