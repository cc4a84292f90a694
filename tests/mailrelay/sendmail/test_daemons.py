"""Programs of Debian that call /usr/sbin/sendmail, as they are shipped: their mail arrives at a provider."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.mailrelay.sendmail.installation import ROOT, Installation
from tests.rig import Missing, or_skip
from tests.rig.faults import FaultServer, Script, Session
from tests.rig.script import Answer

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process another host name"),
]
LONG = "x" * 1500
#: A machine of another name, with our sendmail in its place, in folder $1. It notes each call.
_SCENE = r"""
set -e
hostname node7.lan.example.net
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/sendmail" /usr/sbin/sendmail
cd "$1"
called() { for _ in $(seq 300); do [ ! -s "$PWD/calls" ] || return 0; sleep 0.1; done; return 1; }
"""
_DRAIN = "import django; django.setup(); from mailrelay.queue import delivery; delivery.drain()"


class OwnDomainOnly(Script):
    """Takes senders of example.org only, as providers do, and seven-bit mail only, as old ones do."""

    extensions = ()

    def on_mail(self, session: Session, address: str, parameters: str) -> Answer:
        if not address.endswith("@example.org"):
            return f"553 5.7.1 <{address}>: Sender address rejected"
        return super().on_mail(session, address, parameters)


Arrives = Callable[[str, str, str], list[EmailMessage]]


@pytest.fixture
def arrives(node: Installation, tmp_path: Path) -> Arrives:
    """``arrives(program, package, script)``: the mails that a script of Bash, which calls the program, brings about."""

    def play(program: str, package: str, script: str) -> list[EmailMessage]:
        if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            raise Missing(program, package)
        (tmp_path / "hosts").write_text("127.0.0.1 localhost\n127.0.1.1 node7.lan.example.net node7\n")
        settings = "".join(f"export {name}='{value}'\n" for name, value in node.env.items() if name != "PATH")
        (tmp_path / "sendmail").write_text(
            f'#!/bin/sh\n{settings}"{node.link}" "$@" 2>>"{tmp_path}/said"; code=$?\n'
            f'echo "$code $*" >>"{tmp_path}/calls"; exit $code\n'
        )
        (tmp_path / "sendmail").chmod(0o755)
        done = subprocess.run(
            ["unshare", "-m", "-u", "bash", "-c", _SCENE + script, "bash", str(tmp_path)],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        calls = (tmp_path / "calls").read_text() if (tmp_path / "calls").exists() else "no call"
        said = (tmp_path / "said").read_text() if (tmp_path / "said").exists() else ""
        assert done.returncode == 0 and calls.startswith("0 "), (done.stdout, done.stderr, calls, said)
        return received(node)

    return lambda *words: or_skip(lambda: play(*words))


def received(node: Installation) -> list[EmailMessage]:
    """What arrives at the provider when the queue is sent; everybody in it is the alert recipient, or inbox.test."""
    with FaultServer(OwnDomainOnly()) as provider:
        with closing(sqlite3.connect(node.data / "quazzar.sqlite3")) as database, database:
            port = (provider.port,)
            database.execute("UPDATE mailrelay_relaysettings SET port = ?, security = 'none'", port)
        django = {"DJANGO_SETTINGS_MODULE": "quazzar.settings", "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", _DRAIN], env={**node.env, **django}, check=True, timeout=120)
        people = {recipient for mail in provider.accepted for recipient in mail.recipients}
        assert people <= {"ops@example.com", "a@inbox.test"}
        assert {row["status"] for row in node.rows()} == {"sent"}, node.rows()
        return [mail.message for mail in provider.accepted]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


_CRON = r"""
mount -t tmpfs none /run
mount -t tmpfs none /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
mount -t tmpfs none /etc/cron.d
cat >crontab <<'END'
MAILTO=root@node7.lan.example.net
ORT=Zürich
@reboot root printf "Gr\303\274\303\237e "; head -c 1500 /dev/zero | tr "\0" x
END
chown root:root crontab; chmod 644 crontab
mount --bind crontab /etc/crontab
cron -f & pid=$!
called
kill $pid
"""


def test_cron_is_heard_with_its_long_line_and_a_variable_beyond_ascii(arrives: Arrives) -> None:
    (mail,) = arrives("cron", "cron", _CRON)
    assert mail["To"].addresses[0].addr_spec == "ops@example.com"
    assert mail["Subject"].startswith("Cron <root@node7> printf")
    assert text_of(mail).rstrip("\n") == f"Grüße {LONG}"
    assert "<ORT=Zürich>" in [str(value) for value in mail.get_all("X-Cron-Env", [])]


_FAIL2BAN = r"""
cp -a /etc/fail2ban fail2ban
rm -rf fail2ban/jail.d/*
printf '%s\n' "$2" >fail2ban/jail.local
printf '[Definition]\nlogtarget = %s/log\ndbfile = None\n' "$PWD" >fail2ban/fail2ban.local
: >watched
ban() { fail2ban-client -c "$1/fail2ban" -s "$1/socket" -p "$1/pid" "${@:2}"; }
ban "$1" start
ban "$1" set probe banip 192.0.2.1
ban "$1" stop
while [ -e "$1/socket" ]; do sleep 0.1; done
"""
_JAIL = """
cat >jail <<'END'
[probe]
enabled = true
backend = polling
filter =
failregex = ^bad <HOST>$
logpath = watched
action = sendmail[name=probe, sender="%(sender)s", dest="%(destemail)s"]
END
sed -i "s,watched,$PWD/watched," jail
set -- "$1" "$(cat jail)"
"""


def test_fail2ban_is_heard_at_a_provider_that_takes_its_own_domain_only(arrives: Arrives) -> None:
    mails = arrives("fail2ban-server", "fail2ban", _JAIL + _FAIL2BAN)
    subjects = [mail["Subject"].split(" on ")[0].split(" from ")[0] for mail in mails]
    assert sorted(subjects) == [
        "[Fail2Ban] probe: banned 192.0.2.1",
        "[Fail2Ban] probe: started",
        "[Fail2Ban] probe: stopped",
    ]


_LOGWATCH = r"""
mkdir logs
printf 'Nov 28 01:02:03 node7 kernel: [ 1.0] gr\303\274n[9]: segfault at 0 ip 0 sp 0 error 4\n' >logs/kern.log
cp logs/kern.log logs/messages
logwatch --output mail --mailto root@node7.lan.example.net --service kernel --range all --logdir "$PWD/logs"
"""


def test_logwatch_is_heard(arrives: Arrives) -> None:
    (mail,) = arrives("logwatch", "logwatch", _LOGWATCH)
    assert mail["Subject"].startswith("Logwatch for node7")
    assert "Kernel Begin" in text_of(mail) and "Logwatch End" in text_of(mail)


_GIT = r"""
export GIT_AUTHOR_NAME=Jörg GIT_AUTHOR_EMAIL=root@node7.lan.example.net
export GIT_COMMITTER_NAME=Jörg GIT_COMMITTER_EMAIL=root@node7.lan.example.net
git init -q repository; cd repository
printf 'Gr\303\274\303\237e\n' >datei; head -c 1500 /dev/zero | tr '\0' x >>datei; echo >>datei
git add datei; git commit -q -m 'Größe ändern'
git format-patch -q -1
git -c sendemail.smtpServer=/usr/sbin/sendmail send-email --quiet --to=a@inbox.test --suppress-cc=all \
  --confirm=never --8bit-encoding=UTF-8 --no-validate --transfer-encoding=8bit 0001-*.patch
"""


def test_git_send_email_is_heard_and_its_patch_can_be_applied(arrives: Arrives) -> None:
    (mail,) = arrives("/usr/lib/git-core/git-send-email", "git-email", _GIT)
    assert mail["Subject"] == "[PATCH] Größe ändern"
    assert mail["From"].addresses[0].addr_spec == "node@example.org"
    assert f"+Grüße\n+{LONG}\n" in text_of(mail)
