"""Real primaries besides BIND whose zones the owner of a TSIG key may change: Knot and PowerDNS, on loopback ports."""

from __future__ import annotations

import base64
import secrets
import shutil
import subprocess
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

import dns.query
import dns.tsigkeyring
import dns.xfr
import dns.zone

from tests.rig import LOOPBACK, Missing, Part, ProcessGroup, current_user, free_port, listening

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_HEAD = """
$ORIGIN {zone}.
$TTL 300
@ SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 60
@ NS ns.{zone}.
ns A {host}
"""
_KNOT = """
server:
    rundir: "{dir}"
    listen: {host}@{port}
database:
    storage: "{dir}/db"
log:
  - target: stderr
    any: warning
key:
  - id: {key}
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: quazzar
    key: {key}
    action: [query, update, transfer]
template:
  - id: default
    storage: "{dir}/zones"
    file: "%s.zone"
    zonefile-sync: -1
    acl: quazzar
zone:
"""
_POWERDNS = """
launch=gsqlite3
gsqlite3-database={dir}/pdns.sqlite3
gsqlite3-dnssec=yes
local-address={host}
local-port={port}
socket-dir={dir}
setuid=
setgid=
daemon=no
guardian=no
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
dnsupdate=yes
dname-processing=yes
allow-dnsupdate-from=127.0.0.0/8
disable-axfr=no
allow-axfr-ips=127.0.0.0/8
security-poll-suffix=
"""
_SCHEMA = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"


class Primary(Part):
    """Has the zones that it is made with.

    Attributes:
        key_name, secret: of the TSIG key that may change every zone; hmac-sha256.

    Args:
        zones: name → lines of a zone file relative to it; SOA and NS are added.

    Raises:
        Missing: the program is not installed.
    """

    program: ClassVar[str]
    package: ClassVar[str]
    key_name, algorithm = "quazzar", "hmac-sha256"

    def __init__(self, zones: Mapping[str, Iterable[str]], directory: Path | None = None) -> None:
        self._program = shutil.which(self.program, path=_PATH)
        if not self._program:
            raise Missing(self.program, self.package)
        super().__init__(directory, current_user())
        self.host, self.port = LOOPBACK, free_port()
        self.secret = base64.b64encode(secrets.token_bytes(32)).decode()
        (self.dir / "zones").mkdir()
        for zone, lines in zones.items():
            text = _HEAD.format(zone=zone, host=self.host) + "\n".join(lines) + "\n"
            (self.dir / "zones" / f"{zone}.zone").write_text(text)
        self._configure([*zones])

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        """Start it."""
        self._process = ProcessGroup(self._command(), self.dir / f"{self.program}.log")
        self._process.wait_ready(lambda: listening(self.port))

    def records(self, zone: str) -> set[str]:
        """Every record but the SOA, as ``name type value``, names relative to the zone."""
        found = dns.zone.Zone(zone)
        keyring = dns.tsigkeyring.from_text({self.key_name: (self.algorithm, self.secret)})
        query, _ = dns.xfr.make_query(found, keyring=keyring)
        dns.query.inbound_xfr(self.host, found, query, port=self.port, timeout=5)
        rows = ((name, data) for name, _, data in found.iterate_rdatas() if data.rdtype.name != "SOA")
        return {f"{name} {data.rdtype.name} {data}" for name, data in rows}

    @abstractmethod
    def _configure(self, zones: list[str]) -> None: ...

    @abstractmethod
    def _command(self) -> list[str]: ...


class Knot(Primary):
    """A real Knot DNS."""

    program, package = "knotd", "knot"

    def _configure(self, zones: list[str]) -> None:
        (self.dir / "db").mkdir()
        head = _KNOT.format(
            dir=self.dir, host=self.host, port=self.port, key=self.key_name, secret=self.secret
        )
        (self.dir / "knot.conf").write_text(head + "".join(f"  - domain: {zone}\n" for zone in zones))

    def _command(self) -> list[str]:
        return [str(self._program), "-c", str(self.dir / "knot.conf")]


class PowerDns(Primary):
    """A real PowerDNS with SQLite."""

    program, package = "pdns_server", "pdns-server"

    def _configure(self, zones: list[str]) -> None:
        text = _POWERDNS.format(dir=self.dir, host=self.host, port=self.port)
        (self.dir / "pdns.conf").write_text(text)
        if not Path(_SCHEMA).exists() or not shutil.which("sqlite3"):
            raise Missing("PowerDNS with SQLite", "pdns-backend-sqlite3", "sqlite3")
        self._run("sqlite3", str(self.dir / "pdns.sqlite3"), f".read {_SCHEMA}")
        self._control("import-tsig-key", self.key_name, self.algorithm, self.secret)
        for zone in zones:
            self._control("load-zone", zone, str(self.dir / "zones" / f"{zone}.zone"))
            for right in ("TSIG-ALLOW-DNSUPDATE", "TSIG-ALLOW-AXFR"):
                self._control("set-meta", zone, right, self.key_name)

    def _control(self, *words: str) -> None:
        self._run("pdnsutil", f"--config-dir={self.dir}", *words)

    def _run(self, *argv: str) -> None:
        subprocess.run(argv, check=True, capture_output=True, timeout=20)

    def _command(self) -> list[str]:
        return [str(self._program), f"--config-dir={self.dir}"]
