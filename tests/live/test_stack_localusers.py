"""Local users of Docker's machine cannot reach what the three containers use among themselves."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.rig.standins import address

if TYPE_CHECKING:
    from tests.live.mailstack import MailStack

pytestmark = [pytest.mark.real, pytest.mark.thorough]

#: LMTP, SASL, quota-status, and the milter with its usual neighbours: none has a login.
WITHOUT_LOGIN = (24, 12345, 12340, 11332, 11333, 8891)
WITH_LOGIN = {"postfix": {25, 465, 587}, "dovecot": {143, 993}, "rspamd": {11334}}
SOCKETS = ("dovecot/sasl", "dovecot/lmtp", "dovecot/quota", "rspamd/milter")
#: The state LISTEN in /proc/net/tcp, and 127.0.0.1 and ::1 as they are written there.
_LISTEN, _LOOPBACK = "0A", ("0100007F", "00000000000000000000000001000000")


def listening(stack: MailStack, service: str) -> set[int]:
    """The ports of a container that can be reached from outside of it."""
    table = stack.inside(service, "bash", "-c", "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true")
    rows = [line.split() for line in table.splitlines() if ":" in line]
    local = [row[1].split(":") for row in rows if row[3] == _LISTEN]
    return {int(port, 16) for host, port in local if host not in _LOOPBACK} - _of_docker(local)


def _of_docker(local: list[list[str]]) -> set[int]:
    """The ports of Docker's own resolver, which answers the container alone (127.0.0.11)."""
    return {int(port, 16) for host, port in local if host == "0B00007F"}


def connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("service", WITH_LOGIN)
def test_by_a_containers_address_only_what_has_a_login_is_reached(mailstack: MailStack, service: str) -> None:
    host = address(mailstack.container(service))
    assert listening(mailstack, service) == WITH_LOGIN[service]
    # It is reached at all, so that a refusal means something.
    assert all(connects(host, port) for port in WITH_LOGIN[service])
    assert not any(connects(host, port) for port in WITHOUT_LOGIN)


def test_only_postfix_comes_to_the_sockets(mailstack: MailStack) -> None:
    """As seen from a process with another user's number: those in the volume's folder on the machine are the same."""
    postfix = mailstack.container("postfix")
    for path in SOCKETS:
        speak = ["nc", "-zU", f"/mail-sockets/{path}"]
        assert postfix.exec_run(speak, user="postfix").exit_code == 0, path
        for user in ("1000:1000", "65534:65534", "nobody", "opendkim", "11333:11333"):
            refused = postfix.exec_run(speak, user=user)
            # Rspamd may of course come to its own.
            may = user.startswith("11333") and path.startswith("rspamd/")
            assert (refused.exit_code == 0) == may, (path, user, refused.output)


def test_the_directories_belong_to_those_who_listen_and_let_in_postfixs_group(mailstack: MailStack) -> None:
    modes = mailstack.inside("postfix", "stat", "-c", "%n %a %u %G", *(f"/mail-sockets/{name}" for name in
                             ("", "dovecot", "rspamd")))  # fmt: skip
    assert modes.splitlines() == [
        "/mail-sockets/ 755 0 root",
        "/mail-sockets/dovecot 710 0 postfix",
        "/mail-sockets/rspamd 710 11333 postfix",
    ]


def test_rspamd_can_put_nothing_in_the_place_of_dovecots_sockets(mailstack: MailStack) -> None:
    rspamd = mailstack.container("rspamd")
    for command in (
        "ls /mail-sockets/dovecot",
        "rm -f /mail-sockets/dovecot/lmtp",
        "mv /mail-sockets/dovecot /mail-sockets/moved",
        "touch /mail-sockets/x",
    ):
        assert rspamd.exec_run(["bash", "-c", command]).exit_code != 0, command
