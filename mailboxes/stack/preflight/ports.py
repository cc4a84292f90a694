"""Whether a port of this machine can be published, and who is in the way. Sockets and /proc only."""

from __future__ import annotations

import errno
import re
import socket
from dataclasses import dataclass

from quazzar.processes import ports

_ANYBODY = "another program"
#: Where Docker publishes when no address is chosen, and where somebody who listens there can be reached.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
#: Seconds for somebody on this machine to say who they are.
_PATIENCE = 1.0
_MAIL_PORTS = frozenset({25, 465, 587})
#: Word in a process name or in a greeting → the systemd unit that is behind it on Debian and its kin.
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
_OUT_OF_THE_WAY = (
    "Stop it, or give the stack other ports (QUAZZAR_STACK_PORT_OFFSET) or an address (QUAZZAR_STACK_BIND)."
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why the port cannot be listened on, for the operator."""

    message: str
    hint: str


def obstacle(port: int, bind: str, standard: int) -> Obstacle | None:
    """What keeps us from listening on the port; None when nothing does.

    Args:
        bind: the address to publish on; empty for all.
        standard: what the port is for, without the offset: 25 is SMTP.
    """
    for address in _addresses(bind):
        try:
            _try(address, port)
        except OSError as exc:
            if found := _obstacle(exc, address, port, standard):
                return found
    return None


def _addresses(bind: str) -> tuple[str, ...]:
    return (bind,) if bind else tuple(_EVERYWHERE)


def _try(address: str, port: int) -> None:
    """Binds, and lets go: nobody can connect in between, because nothing listens."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        # As Docker's own proxy does: connections that have ended do not keep the port.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        trial.bind((address, port))


def _obstacle(exc: OSError, address: str, port: int, standard: int) -> Obstacle | None:
    if exc.errno == errno.EADDRINUSE:
        return taken(port, address, standard)
    if exc.errno == errno.EACCES:
        # Ports below 1024 are root's; Docker may have them, so what counts is whether somebody answers.
        return taken(port, address, standard) if _answers(address, port) else None
    if address == "::":  # a machine without IPv6: Docker does not publish there either
        return None
    return Obstacle(
        f"Port {port} cannot be published on {address}: {exc.strerror}.",
        "Set QUAZZAR_STACK_BIND to an address of this machine, or leave it empty for all.",
    )


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((_reachable(address), port), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True


def _reachable(address: str) -> str:
    return _EVERYWHERE.get(address, address)


def taken(port: int, address: str, standard: int) -> Obstacle:
    """Somebody listens there: who, and how to get them out of the way."""
    who = ports.holder(port)
    if not who and (greeting := _greeting(address, port)):
        # Another user's process: only root sees which, but mail servers introduce themselves.
        who = f"a program that greets with “{greeting}”"
    return Obstacle(f"Port {port} is already taken by {who or _ANYBODY}.", _hint(who, port, standard))


def _greeting(address: str, port: int) -> str:
    try:
        with socket.create_connection((_reachable(address), port), timeout=_PATIENCE) as talk:
            line = talk.recv(200).partition(b"\n")[0]
    except OSError:
        return ""
    return re.sub(r"[^\x20-\x7e]", "", line.decode("ascii", "ignore")).strip()[:100]


def _hint(who: str, port: int, standard: int) -> str:
    unit = unit_of(who, standard)
    if unit:
        instead = " bin/quazzar-sendmail takes over mail of cron and the like." if standard == 25 else ""
        return f"If nothing else needs it: systemctl disable --now {unit}.{instead}"
    if not who:
        return f"See who it is as root: ss -ltnp 'sport = :{port}'. {_OUT_OF_THE_WAY}"
    return _OUT_OF_THE_WAY


def unit_of(who: str, standard: int) -> str:
    """The systemd unit of a holder, as far as its name tells."""
    word = who.lower()
    if standard in _MAIL_PORTS and word.startswith("master "):
        return "postfix"  # Postfix's main process is called master
    return next((unit for name, unit in _UNITS.items() if name in word), "")
