"""The provider: Debian's own Postfix with its own configuration, queue, certificate and one account."""

import collections
import os
import pwd
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from pathlib import Path

from tests.rig import (
    LOOPBACK,
    Missing,
    NotReady,
    Part,
    ProcessGroup,
    current_user,
    free_port,
    listening,
    wait_until,
)
from tests.rig.ca import Certificate, CertificateAuthority

DAEMONS = Path("/usr/lib/postfix/sbin")
PACKAGES = ("postfix", "libsasl2-modules", "libsasl2-modules-db", "sasl2-bin")
ACCOUNT, REALM = "operator", "provider.test"
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private")
INBOX_UID = 65534  # nobody

MAIN = """\
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
daemon_directory = {daemons}
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
mail_owner = postfix
myhostname = mx.provider.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
alias_maps =
alias_database =
biff = no
message_size_limit = {size_limit}
# Nothing ever leaves this machine: bounces end here.
default_transport = discard:
relay_transport = discard:
transport_maps = inline:{{discard.test=discard:}}
virtual_mailbox_domains = inbox.test, discard.test
virtual_mailbox_base = {dir}/inbox
virtual_mailbox_maps = static:all/
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
smtpd_tls_chain_files = {dir}/key.pem, {dir}/cert.pem
smtpd_tls_security_level = none
smtpd_tls_auth_only = yes
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = {dir}/sasl
smtpd_sasl_security_options = noanonymous
smtpd_relay_restrictions =
smtpd_recipient_restrictions = check_recipient_access texthash:{dir}/recipients, reject_unauth_destination,
    permit_sasl_authenticated, reject
"""

MASTER = """\
{listen}:{submission} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes
{listen}:{tls} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes
{listen}:{plain} inet n - n - - smtpd
  -o {{smtpd_recipient_restrictions=
    check_recipient_access texthash:{dir}/recipients, reject_unauth_destination}}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

RECIPIENTS = """\
refused.test 550 5.1.1 User unknown
greylisted.test 450 4.2.0 Greylisted, try again in five minutes
"""

SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {dir}/sasl/sasldb2
mech_list: PLAIN LOGIN
"""


class RealPostfix(Part):
    """A real provider on 127.0.0.1, with one account and three ports that stay the same.

    `submission_port` wants STARTTLS and AUTH, `tls_port` implicit TLS and AUTH, `plain_port` neither.
    *@inbox.test is delivered to one maildir, *@discard.test accepted and dropped, *@refused.test
    answered 550 5.1.1, *@greylisted.test 450 4.2.0, everything else 554. `kill()` leaves the queue as
    it is, so `start()` goes on with it.

    Args:
        options: further settings for main.cf.

    Raises:
        Missing: Debian's packages are not installed, or we are not root.
    """

    host = "localhost"
    username = f"{ACCOUNT}@{REALM}"

    def __init__(
        self,
        directory: Path | None = None,
        certificate: Certificate | None = None,
        size_limit: int = 50 << 20,
        options: Mapping[str, str] | None = None,
    ) -> None:
        if not (DAEMONS / "master").exists() or shutil.which("saslpasswd2") is None:
            raise Missing("Postfix", *PACKAGES)
        if os.geteuid() != 0:
            raise Missing("the right to start Postfix")
        super().__init__(directory, "postfix")
        self.password = secrets.token_urlsafe(18)
        self.submission_port, self.tls_port, self.plain_port = free_port(), free_port(), free_port()
        self.ca = CertificateAuthority(self.dir / "ca")
        self._maildir = self.dir / "inbox/all/new"
        self._make_directories()
        self._write_configuration(size_limit, options or {})
        self._write_account()
        self._write_certificate(certificate or self.ca.issue())

    @property
    def ca_file(self) -> Path:
        return self.ca.ca_file

    def start(self) -> None:
        """Start, on the same ports as before.

        Raises:
            NotReady: Postfix does not run; its log is in the message.
        """
        if self.pid is not None:
            return
        argv = [str(DAEMONS / "master"), "-c", str(self.dir), "-d"]
        self._process = ProcessGroup(argv, self.dir / "master.log")
        try:
            self._process.wait_ready(lambda: all(map(listening, self.ports)))
        except NotReady as error:
            raise NotReady(f"{error}\n{self.log()[-2000:]}") from error

    def use_certificate(self, certificate: Certificate) -> None:
        """Serve another certificate: `ca.expired()`, `ca.wrong_name()`, `ca.self_signed()`, `ca.issue()`."""
        self._write_certificate(certificate)
        if self.pid is not None:
            self.stop()
            self.start()

    @property
    def ports(self) -> tuple[int, int, int]:
        return self.submission_port, self.tls_port, self.plain_port

    def log(self) -> str:
        """What Postfix logged so far."""
        file = self.dir / "mail.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def connections(self) -> int:
        """How many connections Postfix took so far, on all ports."""
        return self.log().count(": connect from ")

    def count(self) -> int:
        """How many messages lie in the inbox."""
        return sum(1 for _ in os.scandir(self._maildir)) if self._maildir.exists() else 0

    def raw_messages(self) -> list[bytes]:
        """The messages in the inbox as delivered, oldest first."""
        if not self._maildir.exists():
            return []
        files = [(entry.stat().st_mtime_ns, entry.path) for entry in os.scandir(self._maildir)]
        return [Path(path).read_bytes() for _, path in sorted(files)]

    def messages(self) -> list[EmailMessage]:
        """The messages in the inbox, oldest first; `Delivered-To` says for whom, `Return-Path` from whom."""
        return [message_from_bytes(raw, policy=policy.default) for raw in self.raw_messages()]

    def wait_for(self, count: int, timeout: float = 20.0) -> list[EmailMessage]:
        """The messages, once there are at least `count`.

        Raises:
            NotReady: they did not arrive; the end of the log is in the message.
        """
        try:
            wait_until(lambda: self.count() >= count, timeout, f"arrival of {count} messages")
        except NotReady as error:
            raise NotReady(f"{error}, {self.count()} did\n{self.log()[-2000:]}") from error
        return self.messages()

    def message_ids(self) -> list[str]:
        """The Message-ID of each message in the inbox: one entry per copy and recipient."""
        return [message_id for message_id, _ in self._copies()]

    def duplicates(self) -> dict[str, int]:
        """Message-IDs that one recipient got more than once, with the number of surplus copies."""
        surplus: dict[str, int] = {}
        for (message_id, _), copies in collections.Counter(self._copies()).items():
            if copies > 1:
                surplus[message_id] = surplus.get(message_id, 0) + copies - 1
        return surplus

    def _copies(self) -> list[tuple[str, str]]:
        headers = map(BytesHeaderParser().parsebytes, self.raw_messages())
        return [(str(each["Message-ID"] or "").strip(), str(each["Delivered-To"])) for each in headers]

    def clear(self) -> None:
        """Empty the inbox."""
        for file in self._maildir.glob("*"):
            file.unlink(missing_ok=True)

    def wait_quiet(self, seconds: float = 0.3, timeout: float = 20.0) -> None:
        """Wait until Postfix's own queue has been empty for a while: what it accepted has arrived."""
        last_busy = time.monotonic()

        def quiet() -> bool:
            nonlocal last_busy
            if any(any((self.dir / "queue" / name).iterdir()) for name in ("incoming", "active", "deferred")):
                last_busy = time.monotonic()
            return time.monotonic() - last_busy >= seconds

        wait_until(quiet, timeout, "an empty queue in Postfix")

    def _make_directories(self) -> None:
        owner = pwd.getpwnam("postfix")
        for name in ("data", *(f"queue/{name}" for name in QUEUES)):
            directory = self.dir / name
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        for name in ("pid", "public"):
            (self.dir / "queue" / name).mkdir(exist_ok=True)
        os.chown(self.dir / "queue/public", owner.pw_uid, owner.pw_gid)
        inbox = self.dir / "inbox"
        inbox.mkdir(exist_ok=True)
        os.chown(inbox, INBOX_UID, INBOX_UID)

    def _write_configuration(self, size_limit: int, options: Mapping[str, str]) -> None:
        main = MAIN.format(dir=self.dir, daemons=DAEMONS, uid=INBOX_UID, size_limit=size_limit)
        main += "".join(f"{name} = {value}\n" for name, value in options.items())
        ports = dict(zip(("submission", "tls", "plain"), self.ports, strict=True))
        (self.dir / "main.cf").write_text(main)
        (self.dir / "master.cf").write_text(MASTER.format(dir=self.dir, listen=LOOPBACK, **ports))
        (self.dir / "recipients").write_text(RECIPIENTS)
        # Postfix waits until the file is two seconds old, in case somebody is still writing it.
        for name in ("main.cf", "recipients"):
            os.utime(self.dir / name, (time.time() - 60,) * 2)

    def _write_account(self) -> None:
        sasl = self.dir / "sasl"
        sasl.mkdir(exist_ok=True)
        (sasl / "smtpd.conf").write_text(SASL.format(dir=self.dir))
        database = sasl / "sasldb2"
        command = ["saslpasswd2", "-p", "-c", "-f", str(database), "-u", REALM, ACCOUNT]
        subprocess.run(command, input=self.password.encode(), check=True, capture_output=True)
        os.chown(database, pwd.getpwnam("postfix").pw_uid, -1)

    def _write_certificate(self, certificate: Certificate) -> None:
        shutil.copyfile(certificate.cert_file, self.dir / "cert.pem")
        (self.dir / "key.pem").touch(mode=0o600)
        shutil.copyfile(certificate.key_file, self.dir / "key.pem")


class SmtpSink(Part):
    """Postfix's own `smtp-sink`: takes any mail as fast as it comes and forgets it; no TLS, no AUTH.

    Raises:
        Missing: Postfix is not installed.
    """

    host = LOOPBACK

    def __init__(self, directory: Path | None = None) -> None:
        if shutil.which("smtp-sink") is None:
            raise Missing("smtp-sink", "postfix")
        self._account = "nobody" if os.geteuid() == 0 else current_user()
        super().__init__(directory, self._account)
        self.port = free_port()

    def start(self) -> None:
        if self.pid is not None:
            return
        argv = ["smtp-sink", f"{LOOPBACK}:{self.port}", "1024"]
        self._process = ProcessGroup(argv, self.dir / "sink.log", user=self._account)
        self._process.wait_ready(lambda: listening(self.port))
