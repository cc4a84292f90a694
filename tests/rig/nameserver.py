"""A real Knot DNS: authoritative for zones that a test writes, on a loopback port."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.rig import LOOPBACK, Missing, Part, ProcessGroup, current_user, free_port, wait_until

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_CONFIG = """
server:
    rundir: "{dir}"
    listen: {address}@{port}
database:
    storage: "{dir}/db"
log:
  - target: stderr
    any: warning
policy:
  - id: quick
    algorithm: ecdsap256sha256
    manual: off
template:
  - id: default
    storage: "{dir}/zones"
    file: "%s.zone"
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
"""
#: In a zone that brings its own SOA.
_SERIAL = re.compile(r"\sSOA\s+\S+\s+\S+[\s(]+(\d+)")


class Nameserver(Part):
    """Has no zone at first. What it does not have it refuses.

    Args:
        host: of 127.0.0.0/8, or ::1.
        port: the same as another one's, on another host, to be a second name server of its zones.

    Raises:
        Missing: Knot is not installed.
    """

    def __init__(
        self, directory: Path | None = None, *, host: str = LOOPBACK, port: int | None = None
    ) -> None:
        self._knotd, self._knotc = (shutil.which(name, path=_PATH) for name in ("knotd", "knotc"))
        if not self._knotd or not self._knotc:
            raise Missing("knotd", "knot")
        super().__init__(directory, current_user())
        self.host, self.port = host, port or free_port()
        self.zones: dict[str, tuple[list[str], bool]] = {}
        self._serial = 0
        for name in ("zones", "db"):
            (self.dir / name).mkdir(exist_ok=True)

    @property
    def address(self) -> str:
        """``127.0.0.1:port``, as QUAZZAR_DNS_RESOLVERS takes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def start(self) -> None:
        """Start it with the zones that there are."""
        self._configure()
        argv = [str(self._knotd), "-c", str(self.dir / "knot.conf")]
        self._process = ProcessGroup(argv, self.dir / "knotd.log")
        self._process.wait_ready(lambda: self._control("status") is not None)

    def publish(self, zone: str, lines: Iterable[str], *, signed: bool = False) -> None:
        """Replace a zone: lines of a zone file, names relative to the zone; SOA and NS are added if there are none."""
        self.zones[zone] = ([*lines], signed)
        self._configure()
        if self._process is not None:
            self._control("reload")
            self._control("zone-reload", zone)
            wait_until(lambda: self._has(zone), 10, f"{zone} with serial {self._serial}")

    def publish_all(self, zones: Mapping[str, Iterable[str]]) -> None:
        """Many without SOA of their own, unsigned; one after the other would write all of them each time."""
        self.zones |= {zone: ([*lines], False) for zone, lines in zones.items()}
        self._configure()
        if self._process is not None:
            self._control("reload")
            wait_until(lambda: self._loaded() >= len(zones), 60, f"{len(zones)} zones")

    def withdraw(self, zone: str) -> None:
        """Have the zone no longer."""
        del self.zones[zone]
        self._configure()
        self._control("reload")

    def _loaded(self) -> int:
        return (self._control("zone-status", "+serial") or "").count(f"serial: {self._serial}")

    def _has(self, zone: str) -> bool:
        found = re.search(r"serial: (\d+)", self._control("zone-status", zone, "+serial") or "")
        lines, signed = self.zones[zone]
        own = _SERIAL.search("\n".join(lines))
        wanted = int(own[1]) if own else self._serial
        # Knot counts on when it signs; before it has loaded the zone it says "-".
        return found is not None and (int(found[1]) >= wanted if signed else int(found[1]) == wanted)

    def _configure(self) -> None:
        self._serial = max(self._serial + 1, int(time.time()) % 2_000_000_000)
        entries = []
        for zone, (lines, signed) in self.zones.items():
            text = "\n".join(lines) + "\n"
            bare = zone.rstrip(".")  # Knot, too, calls the file of the root zone by an empty name
            head = f"$ORIGIN {bare}.\n$TTL 300\n"
            if " SOA " not in text:
                head += f"@ SOA ns hostmaster {self._serial} 3600 600 86400 60\n"
            if " NS " not in text:
                head += f"@ NS ns\nns A {LOOPBACK}\n"
            (self.dir / "zones" / f"{bare}.zone").write_text(head + text)
            entries.append(f"  - domain: {zone}\n" + ("    dnssec-signing: on\n" if signed else ""))
        config = _CONFIG.format(dir=self.dir, address=self.host, port=self.port)
        (self.dir / "knot.conf").write_text(config + ("zone:\n" + "".join(entries) if entries else ""))

    def _control(self, *words: str) -> str | None:
        argv = [
            str(self._knotc),
            "-c",
            str(self.dir / "knot.conf"),
            "-s",
            str(self.dir / "knot.sock"),
            *words,
        ]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=20)
        return done.stdout if done.returncode == 0 else None
