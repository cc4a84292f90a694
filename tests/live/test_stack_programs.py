"""Mail programs that people keep a copy of their mail with, as Debian ships them: their own TLS, folders and flags."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.mailworld import World
from tests.rig import Missing, or_skip
from tests.rig.mailclients import imap_session, raw_messages, wait_for_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import MailStack

pytestmark = [
    pytest.mark.real,
    pytest.mark.thorough,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can lead the server's name to this machine"),
]
MBSYNC = """\
IMAPAccount stack
Host {host}
Port {port}
User {user}
Pass {password}
SSLType IMAPS
CertificateFile {folder}/server.pem
SystemCertificates no

IMAPStore far
Account stack

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""
OFFLINEIMAP = """\
[general]
accounts = stack
metadata = {folder}/state
ui = basic

[Account stack]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {folder}/mail

[Repository far]
type = IMAP
remotehost = {host}
remoteport = {port}
ssl = yes
sslcacertfile = {folder}/server.pem
remoteuser = {user}
remotepass = {password}
"""
#: Program → Debian's package, its configuration, and how it is called with that.
PROGRAMS = {
    "mbsync": ("isync", MBSYNC, ["-c", "configuration", "all"]),
    "offlineimap": ("offlineimap3", OFFLINEIMAP, ["-o", "-c", "configuration"]),
}
_AS_THE_SERVER = (
    'printf "127.0.0.1 localhost %s\\n" "$1" >hosts; mount --bind hosts /etc/hosts; shift; exec "$@"'
)


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> Iterator[World]:
    yield World(mailstack, "programs.test")


def run(name: str, world: World, folder: Path) -> None:
    """Synchronise both ways, with the certificate checked for the server's name."""
    package, configuration, arguments = PROGRAMS[name]
    if shutil.which(name) is None:
        raise Missing(name, package)
    host, port = "mail.stack.test", world.server.port(993)
    (folder / "server.pem").write_text(ssl.get_server_certificate((world.server.host, port)))
    (folder / "mail").mkdir(exist_ok=True)
    login = world.bob.login
    filled = configuration.format(
        host=host, port=port, user=login.address, password=login.password, folder=folder
    )
    (folder / "configuration").write_text(filled)
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", _AS_THE_SERVER, "sh", host, name, *arguments],
        cwd=folder,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_copies_mail_both_ways(world: World, tmp_path: Path, name: str) -> None:
    assert world.submit(f"for {name}", world.bob.address).accepted
    assert wait_for_message(world.server, world.bob.login, f"for {name}", within=30)
    with imap_session(world.server, world.bob.login) as client:
        client.create(f'"Lists {name}/deep"')
        client.append(f'"Lists {name}/deep"', "(\\Flagged)", None, b"Subject: in a folder\r\n\r\nx\r\n")
    or_skip(lambda: run(name, world, tmp_path))
    copies = {
        path: path.read_bytes()
        for path in (tmp_path / "mail").rglob("*")
        if path.parent.name in ("cur", "new")
    }
    assert any(f"Subject: for {name}".encode() in data for data in copies.values())
    (flagged,) = (
        path for path, data in copies.items() if b"Subject: in a folder" in data and name in str(path)
    )
    assert "F" in flagged.name.partition(":2,")[2]
    # What is put there goes up, and what is deleted there is deleted.
    (flagged.parent.parent / "new" / "1.written.here").write_bytes(
        b"Subject: written here\n\nGr\xc3\xbc\xc3\x9fe\n"
    )
    flagged.unlink()
    run(name, world, tmp_path)
    above = raw_messages(world.server, world.bob.login, f"Lists {name}/deep")
    assert [b"Subject: written here" in raw for raw in above] == [True]
