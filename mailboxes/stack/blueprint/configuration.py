"""The static configuration of the three services: the files of this package, filled in. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from importlib.resources import files
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal

from mailboxes.stack.blueprint import rspamdpassword

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Path in the volume → the service that reads it.
_FILES = {
    "50-quazzar.sh": "postfix",
    "opendkim.conf": "postfix",
    "postfix/lmtp_status": "postfix",
    "postfix/second_signer": "postfix",
    "dovecot.conf": "dovecot",
    "sieve/global.sieve": "dovecot",
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
}
_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_PLACE = re.compile(rb"@(hostname|gateway|password_hash)@")


@dataclass(frozen=True)
class ConfigFile:
    """A file that is put into a volume of the stack: ``path`` is relative to the volume's root."""

    volume: Literal["config", "dkim"]
    path: str
    data: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"


def static_files(hostname: str, gateway: str, controller_password: str) -> list[ConfigFile]:
    """The files, with what differs from stack to stack filled in.

    Args:
        gateway: the host's address on the stack's network; empty when it is not known.
        controller_password: of Rspamd's web interface; only its hash goes in. Empty: nobody gets in.

    Raises:
        ValueError: a value that could add a line.
    """
    if not _HOSTNAME.fullmatch(hostname):
        raise ValueError("This is not a host name.")
    facts = {
        b"hostname": hostname.encode(),
        # 192.0.2.0/24 is for documentation: no client has it.
        b"gateway": str(ip_address(gateway or "192.0.2.1")).encode(),
        b"password_hash": rspamdpassword.hash_password(controller_password).encode(),
    }
    return [ConfigFile("config", path, _filled(_read(path), facts)) for path in _FILES]


def digest(rendered: Iterable[ConfigFile], service: str = "") -> str:
    """Differs as soon as a file differs; with a service, only for what that one reads."""
    total = hashlib.sha256()
    for file in rendered:
        if not service or _FILES[file.path] == service:
            total.update(b"%s %d %o\n" % (file.path.encode(), len(file.data), file.mode))
            total.update(file.data)
    return total.hexdigest()


def _read(path: str) -> bytes:
    return files("mailboxes.stack.blueprint").joinpath("files", *path.split("/")).read_bytes()


def _filled(text: bytes, facts: dict[bytes, bytes]) -> bytes:
    return _PLACE.sub(lambda found: facts[found[1]], text)
