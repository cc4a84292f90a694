"""A strict server: Debian's Exim with the checks of Debian's own configuration."""

import os
import shutil
from pathlib import Path

from tests.rig import LOOPBACK, Missing, Part, ProcessGroup, free_port, listening

#: Debian's package cannot be installed beside Postfix, so `scripts/services` unpacks its program to this place.
PROGRAM = Path("/usr/local/lib/quazzar-rig/exim4")
ACCOUNT = "mail"

CONFIGURATION = """\
exim_path = {program}
spool_directory = {dir}/spool
log_file_path = {dir}/%slog
pid_file_path = {dir}/exim.pid
primary_hostname = strict.test
exim_user = {account}
exim_group = {account}
never_users =
keep_environment =
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 50
accept_8bitmime = {eight_bit}
smtputf8_advertise_hosts = {utf8}
acl_smtp_rcpt = accept
acl_smtp_data = check_data

begin acl
# As /etc/exim4/conf.d/acl/40_exim4-config_check_data has it, with CHECK_DATA_VERIFY_HEADER_SYNTAX.
check_data:
  deny
    condition = ${{if > {{$max_received_linelength}}{{998}}}}
    message = maximum allowed line length is 998 octets, got $max_received_linelength
  deny
    !verify = header_syntax
    message = header syntax: $acl_verify_message
  deny
    !verify = header_names_ascii
    message = header names: $acl_verify_message
  accept

begin routers
everybody:
  driver = redirect
  data = :blackhole:
"""


class StrictExim(Part):
    """Takes mail for everybody, if it is legal, and drops it; no TLS, no AUTH.

    Args:
        eight_bit: offers 8BITMIME.
        utf8: offers SMTPUTF8.

    Raises:
        Missing: Exim's program is not there, or we are not root.
    """

    host = LOOPBACK

    def __init__(self, *, eight_bit: bool = True, utf8: bool = True, directory: Path | None = None) -> None:
        if not PROGRAM.exists():
            raise Missing("Exim", "(scripts/services)")
        if os.geteuid() != 0:
            raise Missing("the right to start Exim")
        super().__init__(directory, ACCOUNT)
        self.port = free_port()
        (self.dir / "spool").mkdir(exist_ok=True)
        shutil.chown(self.dir, ACCOUNT, ACCOUNT)
        shutil.chown(self.dir / "spool", ACCOUNT, ACCOUNT)
        self._configuration = self.dir / "exim.conf"
        self._configuration.write_text(
            CONFIGURATION.format(
                program=PROGRAM,
                dir=self.dir,
                account=ACCOUNT,
                eight_bit="true" if eight_bit else "false",
                utf8="*" if utf8 else "",
            )
        )

    def start(self) -> None:
        if self.pid is not None:
            return
        argv: list[str | Path] = [
            PROGRAM,
            "-C",
            self._configuration,
            "-bdf",
            "-oX",
            f"{LOOPBACK}.{self.port}",
        ]
        self._process = ProcessGroup(argv, self.dir / "out.log")
        self._process.wait_ready(lambda: listening(self.port))

    def log(self) -> str:
        """What it logged."""
        file = self.dir / "mainlog"
        return file.read_text() if file.exists() else ""
