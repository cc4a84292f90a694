"""An IMAP server: Debian's own Dovecot with one account, whose mail is a maildir in its folder."""

import os
import shutil
from pathlib import Path

from tests.rig import LOOPBACK, Missing, Part, ProcessGroup, free_port, listening
from tests.rig.ca import Certificate

USER, PASSWORD = "bounces@inbox.test", "bøunce pass"

CONFIGURATION = """\
protocols = imap
listen = {listen}
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
default_internal_user = dovecot
default_login_user = dovenull
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
disable_plaintext_auth = {tls_only}
mail_location = maildir:{dir}/mail
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
ssl = {ssl}
{certificate}
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={dir}
}}
service imap-login {{
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
  }}
  chroot =
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class RealDovecot(Part):
    """IMAP on 127.0.0.1: `port` begins in plain text, `tls_port` (with a certificate) with TLS.

    Args:
        certificate: without one, there is no TLS.
        mechanisms: what it offers to sign in with.

    Raises:
        Missing: Debian's package is not installed, or we are not root.
    """

    host = "localhost"
    username, password = USER, PASSWORD

    def __init__(
        self,
        certificate: Certificate | None = None,
        *,
        mechanisms: str = "plain login",
        directory: Path | None = None,
    ) -> None:
        if shutil.which("dovecot", path="/usr/sbin:/sbin:/usr/bin") is None:
            raise Missing("Dovecot", "dovecot-imapd")
        if os.geteuid() != 0:
            raise Missing("the right to start Dovecot")
        super().__init__(directory, "mail")
        self.port, self.tls_port = free_port(), free_port()
        chain = (
            f"ssl_cert = <{certificate.cert_file}\nssl_key = <{certificate.key_file}" if certificate else ""
        )
        for name in ("cur", "new", "tmp"):
            (self.maildir / name).mkdir(parents=True)
        for path in (self.maildir, *self.maildir.iterdir()):
            shutil.chown(path, "mail", "mail")
        shutil.chown(self.dir, "mail", "mail")
        self._configuration = self.dir / "dovecot.conf"
        self._configuration.write_text(
            CONFIGURATION.format(
                dir=self.dir,
                listen=LOOPBACK,
                mechanisms=mechanisms,
                tls_only="yes" if certificate else "no",
                ssl="yes" if certificate else "no",
                certificate=chain,
                plain=self.port,
                tls=self.tls_port if certificate else 0,
            )
        )
        (self.dir / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        self._number = 0

    @property
    def maildir(self) -> Path:
        """Where the mail is."""
        return self.dir / "mail"

    def start(self) -> None:
        if self.pid is not None:
            return
        argv: list[str | Path] = ["/usr/sbin/dovecot", "-F", "-c", self._configuration]
        self._process = ProcessGroup(argv, self.dir / "out.log")
        self._process.wait_ready(lambda: listening(self.port))

    def deliver(self, mail: bytes, folder: str = "") -> None:
        """Put a mail into the inbox or a folder, as a delivery agent does."""
        place = self.maildir / f".{folder}" if folder else self.maildir
        for path in (place, *(place / name for name in ("cur", "new", "tmp"))):
            path.mkdir(exist_ok=True)
            shutil.chown(path, "mail", "mail")
        self._number += 1
        name = f"{1_700_000_000 + self._number}.M{self._number}P1.rig"
        (place / "tmp" / name).write_bytes(mail)
        shutil.chown(place / "tmp" / name, "mail", "mail")
        (place / "tmp" / name).rename(place / "new" / name)

    def flags(self, folder: str = "") -> list[str]:
        """The flags of each mail in a folder, in the order of its delivery: S for one that is marked as read."""
        place = self.maildir / f".{folder}" if folder else self.maildir
        files = sorted([*(place / "new").iterdir(), *(place / "cur").iterdir()], key=lambda file: file.name)
        return [file.name.partition(":2,")[2] for file in files]

    def number_anew(self) -> None:
        """Forget the UIDs, as after a restore: UIDVALIDITY changes."""
        for file in self.maildir.glob("dovecot*"):
            file.unlink()

    def log(self) -> str:
        """What it logged."""
        file = self.dir / "dovecot.log"
        return file.read_text() if file.exists() else ""
