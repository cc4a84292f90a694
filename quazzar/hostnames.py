"""The names of this machine, from the kernel and from files. No name server is asked: cron would wait for it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOSTNAME_FILE, HOSTS_FILE = Path("/etc/hostname"), Path("/etc/hosts")
#: Names that mean the machine itself, wherever they are written (RFC 6761 §6.3, hosts of Debian and Red Hat).
LOOPBACK = frozenset(
    {
        "localhost",
        "localhost.localdomain",
        "localhost4",
        "localhost4.localdomain4",
        "localhost6",
        "localhost6.localdomain6",
        "ip6-localhost",
        "ip6-loopback",
    }
)
#: A full name that EHLO may say: letters, digits and hyphens, and a last label that no IP address ends in.
_FULL = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?![0-9]+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_LONGEST = 253


@dataclass(frozen=True, slots=True)
class HostNames:
    """What a machine is called, in lower case.

    Attributes:
        short: names of one label, such as ``node7``.
        full: names with a domain, such as ``node7.example.com``, best first.
    """

    short: tuple[str, ...] = ()
    full: tuple[str, ...] = ()

    @property
    def fqdn(self) -> str:
        """The full name that the machine calls itself; "" if it has none."""
        return next((name for name in self.full if len(name) <= _LONGEST and _FULL.fullmatch(name)), "")


def current() -> HostNames:
    """The names as they are at this moment; a file that cannot be read adds none."""
    return names(socket.gethostname(), _text(HOSTNAME_FILE), _text(HOSTS_FILE))


def names(kernel: str, hostname_file: str, hosts_file: str) -> HostNames:
    """The names of a machine.

    Args:
        kernel: what uname(2) says.
        hostname_file: the content of /etc/hostname; ``hosts_file`` that of /etc/hosts.
    """
    written = [line for line in hostname_file.splitlines() if line.strip() and not line.startswith("#")]
    given = [_normal(name) for name in (kernel, *written[:1])]
    short: dict[str, None] = {}
    full: dict[str, None] = {}
    for name in given:
        if not name or name in LOOPBACK:
            continue
        first = name.partition(".")[0]
        short[first] = None
        full |= dict.fromkeys([name] if "." in name else [])
        full |= dict.fromkeys(_completed(name, first, hosts_file))
    return HostNames(tuple(short), tuple(full))


def _completed(name: str, first: str, hosts_file: str) -> Iterator[str]:
    """The full names that a hosts file gives to the machine.

    In the lines that name it, these are the names that begin with the machine's own, and the first name of the first
    such line (hosts(5): the canonical one, which ``hostname -f`` prints). Other aliases can be names of anything, such
    as web sites under development.
    """
    canonical = ""
    for line in hosts_file.splitlines():
        _address, *listed = [_normal(word) for word in line.partition("#")[0].split()] or [""]
        if name not in listed and first not in listed:
            continue
        if not canonical and listed[0] not in LOOPBACK:
            canonical = listed[0]
            yield from [canonical] if "." in canonical else []
        yield from (alias for alias in listed if alias.startswith(f"{first}."))


def _normal(name: str) -> str:
    return name.strip().rstrip(".").lower()


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
