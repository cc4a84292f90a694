"""The names of this machine."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NoReturn

import pytest

from quazzar import hostnames
from quazzar.hostnames import HostNames, names

SHORT = "127.0.0.1 localhost\n127.0.1.1 node7\n"
FULL = "127.0.0.1\tlocalhost\n127.0.1.1\tnode7.lan.example.net\tnode7 # this machine\n"
LAN = "node7.lan.example.net"
#: uname, /etc/hostname, /etc/hosts → short names, full names, what the machine calls itself.
TABLE: dict[str, tuple[str, str, str, tuple[str, ...], tuple[str, ...], str]] = {
    "Debian with a domain": ("node7", "node7\n", FULL, ("node7",), (LAN,), LAN),
    "Debian without one": ("node7", "node7\n", SHORT, ("node7",), (), ""),
    "the kernel has the full name": (LAN, "", SHORT, ("node7",), (LAN,), LAN),
    "only the file has it": ("node7", f"# set by cloud-init\n{LAN}\n", SHORT, ("node7",), (LAN,), LAN),
    "capitals and a dot at the end": ("NODE7.Lan.Example.NET.", "", "", ("node7",), (LAN,), LAN),
    "capitals in the hosts file": ("node7", "", "::1 NODE7.LAN.example.net Node7", ("node7",), (LAN,), LAN),
    "the short name first": ("node7", "", f"192.0.2.7 node7 {LAN}", ("node7",), (LAN,), LAN),
    "behind localhost": ("node7", "", f"127.0.0.1 localhost node7 {LAN}", ("node7",), (LAN,), LAN),
    "a canonical name of another form": (
        "web1", "", "192.0.2.7 mail.example.org web1", ("web1",), ("mail.example.org",), "mail.example.org"
    ),
    "two names": (
        "node7", "old7.example.net", FULL, ("node7", "old7"), (LAN, "old7.example.net"), LAN
    ),
    "web sites under development": ("node7", "", "127.0.0.1 localhost node7 shop.example.com", ("node7",), (), ""),
    "another host": ("node7", "", "192.0.2.8 node8.lan.example.net node8", ("node7",), (), ""),
    "a host whose name begins alike": ("node7", "", "192.0.2.8 node77.lan.example.net node77", ("node7",), (), ""),
    "a comment": ("node7", "", f"#127.0.1.1 {LAN} node7", ("node7",), (), ""),
    "Red Hat's default": (
        "localhost", "localhost.localdomain", "127.0.0.1 localhost.localdomain localhost", (), (), ""
    ),
    "a name that EHLO may not say": ("my_node.lan", "", "", ("my_node",), ("my_node.lan",), ""),
    "an IP address": ("192.0.2.7", "", "", ("192",), ("192.0.2.7",), ""),
    "nothing": ("", "", "", (), (), ""),
}  # fmt: skip


def test_the_names_of_a_machine(subtests: pytest.Subtests) -> None:
    for what, (kernel, hostname, hosts, short, full, fqdn) in TABLE.items():
        with subtests.test(what):
            found = names(kernel, hostname, hosts)
            assert (found, found.fqdn) == (HostNames(short, full), fqdn)


def test_files_are_read_and_no_name_server_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def ask(*_: object, **__: object) -> NoReturn:
        pytest.fail("a name is looked up")

    for question in ("getfqdn", "getaddrinfo", "gethostbyname", "gethostbyaddr", "gethostbyname_ex"):
        monkeypatch.setattr(socket, question, ask)
    monkeypatch.setattr(socket, "gethostname", lambda: "node7")
    monkeypatch.setattr(hostnames, "HOSTS_FILE", tmp_path / "hosts")
    monkeypatch.setattr(hostnames, "HOSTNAME_FILE", tmp_path / "missing")
    assert hostnames.current() == HostNames(("node7",))
    (tmp_path / "hosts").write_bytes(FULL.encode() + b"192.0.2.9 caf\xe9\n")
    assert hostnames.current() == HostNames(("node7",), (LAN,))
