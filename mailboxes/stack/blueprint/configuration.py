"""Fills in the static configuration of the three services from the templates in files/. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from importlib.resources import files
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal

from mailboxes.push import render
from mailboxes.stack.blueprint import rspamdpassword

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Path in the volume → the service that reads it.
_FILES = {
    "50-quazzar.sh": "postfix",
    "postfix/lmtp_status": "postfix",
    "postfix/submission_headers": "postfix",
    "dovecot.conf": "dovecot",
    f"fresh/{render.LISTING}": "dovecot",
    "policy.conf": "dovecot",
    "sockets.conf": "dovecot",
    "sieve/global.sieve": "dovecot",
    "rspamd/controller.lua": "rspamd",
    "rspamd/rspamd.local.lua": "rspamd",
    "rspamd/local.d/actions.conf": "rspamd",
    "rspamd/local.d/arc.conf": "rspamd",
    "rspamd/local.d/classifier-bayes.conf": "rspamd",
    "rspamd/local.d/dkim_signing.conf": "rspamd",
    "rspamd/local.d/greylist.conf": "rspamd",
    "rspamd/local.d/logging.inc": "rspamd",
    "rspamd/local.d/milter_headers.conf": "rspamd",
    "rspamd/local.d/multimap.conf": "rspamd",
    "rspamd/local.d/worker-normal.inc": "rspamd",
    "rspamd/local.d/worker-proxy.inc": "rspamd",
    "rspamd/override.d/options.inc": "rspamd",
    "rspamd/override.d/settings.conf": "rspamd",
    "rspamd/override.d/worker-controller.inc": "rspamd",
    "rspamd/override.d/worker-proxy.inc": "rspamd",
    "rspamd/sockets/worker-proxy.inc": "rspamd",
}
#: Files that hold a secret.
_ROOTS_ALONE = frozenset({"policy.conf"})
_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_PLACEHOLDER = re.compile(
    rb"@(hostname|hostname_pattern|gateway|password_hash|policy_hash|policy_password|policy_url)@"
)


@dataclass(frozen=True)
class ConfigFile:
    """A file for a volume of the stack.

    Attributes:
        path: below the root of the volume.
    """

    volume: Literal["config", "dkim"]
    path: str
    data: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"


def static_files(
    hostname: str, gateway: str, controller_password: str, policy_password: str = ""
) -> list[ConfigFile]:
    """The files, with everything that differs between stacks filled in.

    Args:
        gateway: address of the host on the stack's network; empty if the network does not exist yet.
        controller_password: for Rspamd's web interface. Only its hash is written; with an empty one nobody can log in.

        policy_password: with which Dovecot asks Rspamd about logins; with an empty one it does not ask.

    Raises:
        ValueError: a value could add a line to a file.
    """
    if not _HOSTNAME.fullmatch(hostname):
        raise ValueError("This is not a host name.")
    if policy_password and not policy_password.isalnum():
        raise ValueError("The password for Dovecot's questions is not made of letters and digits.")
    values = {
        b"hostname": hostname.encode(),
        b"hostname_pattern": hostname.replace(".", "[.]").encode(),
        # No client has an address in 192.0.2.0/24, which is reserved for documentation (RFC 5737).
        b"gateway": str(ip_address(gateway or "192.0.2.1")).encode(),
        b"password_hash": rspamdpassword.hash_password(controller_password).encode(),
        b"policy_hash": rspamdpassword.hash_password(policy_password).encode(),
        # Dovecot wants a nonce as soon as there is a server.
        b"policy_password": (policy_password or "none").encode(),
        b"policy_url": b"http://rspamd:11334/plugins/quazzar/auth" if policy_password else b"",
    }
    return [
        ConfigFile("config", path, _filled(_read(path), values), 0o600 if path in _ROOTS_ALONE else 0o644)
        for path in _FILES
    ]


def digest(rendered: Iterable[ConfigFile], service: str = "") -> str:
    """SHA-256 over the files, or over those that one service reads."""
    total = hashlib.sha256()
    for file in rendered:
        if not service or _FILES[file.path] == service:
            total.update(b"%s %d %o\n" % (file.path.encode(), len(file.data), file.mode))
            total.update(file.data)
    return total.hexdigest()


def _read(path: str) -> bytes:
    return files("mailboxes.stack.blueprint").joinpath("files", *path.split("/")).read_bytes()


def _filled(text: bytes, values: dict[bytes, bytes]) -> bytes:
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)
