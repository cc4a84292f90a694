"""The strongest peer: Debian's Postfix as a satellite relay, as people set it up to pass a node's mail on."""

import os
import subprocess
import time
from collections.abc import Mapping

from tests.rig import LOOPBACK, NotReady, free_port, listening, wait_until
from tests.rig.postfix import RealPostfix

#: Beside the services that the tests' Postfix has: sending mail on, with Postfix's own limits.
_SERVICES = """\
{host}:{port} inet n - n - - smtpd
smtp unix - - n - - smtp
relay unix - - n - - smtp
scache unix - - n - 1 scache
"""


class Satellite(RealPostfix):
    """Takes mail on ``satellite_port`` and passes it on to a relay, with Postfix's defaults for speed."""

    def __init__(self, relay_port: int) -> None:
        self.satellite_port = free_port()
        super().__init__(
            options={
                "relayhost": f"[{LOOPBACK}]:{relay_port}",
                "default_transport": "smtp",
                "relay_transport": "relay",
                "smtpd_recipient_restrictions": "permit_mynetworks, reject",
            }
        )

    def _write_configuration(self, size_limit: int, options: Mapping[str, str]) -> None:
        super()._write_configuration(size_limit, options)
        with (self.dir / "master.cf").open("a") as services:
            services.write(_SERVICES.format(host=LOOPBACK, port=self.satellite_port))

    def drain(self, count: int) -> float:
        """Messages per second, from the start of their submission until the last one has left."""
        wait_until(lambda: listening(self.satellite_port), 10, "the satellite's port")
        begun = time.monotonic()
        source = ["smtp-source", "-s", "10", "-l", "1024", "-m", str(count), "-f", "bench@example.com"]
        subprocess.run(
            [*source, "-t", "ops@example.com", f"{LOOPBACK}:{self.satellite_port}"],
            check=True,
            capture_output=True,
        )
        while self._waiting():
            time.sleep(0.02)
            if "status=deferred" in self.log():
                raise NotReady("Postfix could not pass a message on")
        return count / (time.monotonic() - begun)

    def _waiting(self) -> bool:
        queue = self.dir / "queue"
        return any(
            entry.is_file()
            for name in ("incoming", "active", "deferred", "maildrop")
            if (queue / name).exists()
            for entry in os.scandir(queue / name)
        )
