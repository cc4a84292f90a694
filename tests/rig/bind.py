"""A real BIND: authoritative for zones that the owner of its TSIG key may change, on a loopback port."""

from __future__ import annotations

import base64
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update
import dns.zone

from tests.rig import LOOPBACK, Missing, Part, ProcessGroup, current_user, free_port, listening

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_OPTIONS = """
options {{
    directory "{dir}/zones";
    pid-file "{dir}/named.pid";
    session-keyfile "{dir}/session.key";
    listen-on port {port} {{ {host}; }};
    listen-on-v6 {{ none; }};
    recursion no;
    notify no;
    dnssec-validation no;
    allow-transfer {{ any; }};
}};
controls {{ }};
"""
_KEY = 'key "{name}" {{ algorithm {algorithm}; secret "{secret}"; }};\n'
_ZONE = """
zone "{zone}" {{
    type primary;
    file "{zone}.zone";
    update-policy {{ grant {key} zonesub ANY; }};
}};
"""
_HEAD = """
$ORIGIN {zone}.
$TTL 300
@ SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 60
@ NS ns.{zone}.
ns A {host}
"""


class Bind(Part):
    """Has the zones that it is created with; changes outlive `stop()`, `kill()` and `start()`.

    Attributes:
        key_name, secret: of the TSIG key that may change every zone; hmac-sha256.
        other_key_name, other_secret: of one that it knows, and that may change nothing.

    Args:
        zones: name → lines of a zone file relative to it; SOA and NS are added.

    Raises:
        Missing: BIND is not installed.
    """

    key_name, other_key_name, algorithm = "quazzar", "stranger", "hmac-sha256"

    def __init__(self, zones: Mapping[str, Iterable[str]], directory: Path | None = None) -> None:
        self._named = shutil.which("named", path=_PATH)
        if not self._named:
            raise Missing("named", "bind9")
        super().__init__(directory, current_user())
        self.host, self.port = LOOPBACK, free_port()
        self.secret, self.other_secret = _secret(), _secret()
        self._starts = 0
        self._configure({zone: [*lines] for zone, lines in zones.items()})

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        """Start it, on the same port as before."""
        if self.pid is not None:
            return
        self._starts += 1
        argv = [str(self._named), "-g", "-n", "1", "-c", str(self.dir / "named.conf")]
        self._process = ProcessGroup(argv, self.dir / "named.log")
        self._process.wait_ready(lambda: listening(self.port) and self._count("running") == self._starts)

    def update(self, zone: str, *changes: str, key_name: str | None = None, secret: str | None = None) -> str:
        """What BIND answers to a signed change, as a name: NOERROR, REFUSED, NOTAUTH …

        Args:
            changes: ``add name ttl type value`` and ``delete name [type [value]]``, names relative to the zone.
        """
        name = key_name or self.key_name
        keyring = {name: (self.algorithm, secret or self.secret)}
        message = dns.update.UpdateMessage(zone, keyring=dns.tsigkeyring.from_text(keyring))
        for change in changes:
            verb, owner, *rest = change.split(maxsplit=4 if change.startswith("add") else 3)
            (message.add if verb == "add" else message.delete)(owner, *rest)
        try:
            answer = dns.query.tcp(message, self.host, timeout=5, port=self.port)
        except dns.tsig.PeerError as error:
            return type(error).__name__
        return dns.rcode.to_text(answer.rcode())

    def records(self, zone: str) -> set[str]:
        """Every record but the SOA, as ``name type value``, names relative to the zone."""
        found = dns.zone.Zone(zone)
        dns.query.inbound_xfr(self.host, found, port=self.port, timeout=5)
        rows = ((name, data) for name, _, data in found.iterate_rdatas() if data.rdtype.name != "SOA")
        return {f"{name} {data.rdtype.name} {data}" for name, data in rows}

    def _count(self, word: str) -> int:
        lines = (self.dir / "named.log").read_text(errors="replace").splitlines()
        return sum(line.endswith(f" {word}") for line in lines)

    def _configure(self, zones: dict[str, list[str]]) -> None:
        (self.dir / "zones").mkdir(exist_ok=True)
        keys = {self.key_name: self.secret, self.other_key_name: self.other_secret}
        text = _OPTIONS.format(dir=self.dir, host=self.host, port=self.port)
        text += "".join(
            _KEY.format(name=name, algorithm=self.algorithm, secret=each) for name, each in keys.items()
        )
        for zone, lines in zones.items():
            text += _ZONE.format(zone=zone, key=self.key_name)
            content = _HEAD.format(zone=zone, host=self.host) + "\n".join(lines) + "\n"
            (self.dir / "zones" / f"{zone}.zone").write_text(content)
        (self.dir / "named.conf").touch(mode=0o600)
        (self.dir / "named.conf").write_text(text)


def _secret() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()
