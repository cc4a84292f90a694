"""What the worker writes into the running stack, in parts; a part is written only if its digest has changed. Pure."""

from __future__ import annotations

import hashlib
import hmac
import io
import tarfile
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from mailboxes.push import render, smarthost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailboxes.push.entries import Snapshot

#: The parts that the postfix container writes from one tar, in this order.
BUNDLE = ("dkim", "tls", "tables", "relay")
#: The part that the dovecot container writes: its users file.
USERS = "users"


@dataclass(frozen=True)
class PartFile:
    """A file of the bundle.

    Attributes:
        path: below the volume mail-config, or ``dkim/…`` for the volume with the keys.
    """

    path: str
    data: bytes = field(repr=False)
    mode: int = 0o640


def bundle(snapshot: Snapshot, certificate: tuple[str, str]) -> dict[str, list[PartFile]]:
    """Part → its files.

    Args:
        certificate: certificate and private key, both PEM.

    Raises:
        ValueError: a row holds a value that could break one of the files.
    """
    return {
        "dkim": _dkim(snapshot),
        "tls": [
            PartFile("tls/tls.key", certificate[1].encode(), 0o600),
            PartFile("tls/tls.crt", certificate[0].encode(), 0o644),
        ],
        "tables": [
            PartFile("postfix/domains", render.domains_table(snapshot)),
            PartFile("postfix/port25_commands", render.port25_commands(snapshot)),
            PartFile("postfix/submission_commands", render.submission_commands(snapshot)),
            PartFile("postfix/mailboxes", render.mailboxes_table(snapshot)),
            PartFile("postfix/aliases", render.aliases_table(snapshot)),
            PartFile("postfix/senders", render.senders_table(snapshot)),
            PartFile("rspamd/domains.map", render.rspamd_domains(snapshot), 0o644),
            PartFile("rspamd/mailboxes.map", render.rspamd_mailboxes(snapshot), 0o644),
        ],
        "relay": [
            PartFile("postfix/sasl_passwd", smarthost.sasl_passwd(snapshot), 0o600),
            PartFile("postfix/tls_policy", smarthost.tls_policy(snapshot)),
            PartFile("postfix/relayhost", smarthost.relayhost(snapshot)),
            PartFile("postfix/relay_wrappermode", smarthost.relay_wrappermode(snapshot)),
            PartFile("postfix/authorities.pem", smarthost.authorities(snapshot)),
        ],
    }


def _dkim(snapshot: Snapshot) -> list[PartFile]:
    """Every domain has a file with its selectors, even one without a key: without the file, its mail would wait."""
    domains = sorted(snapshot.domains, key=attrgetter("name"))
    keys = {name: key for domain in domains for name, key in render.key_files(domain).items()}
    return [
        *(PartFile(f"dkim/keys/{name}", key, 0o600) for name, key in keys.items()),
        *(PartFile(f"dkim/domains/{domain.name}", render.selectors(domain)) for domain in domains),
    ]


def digest(files: Iterable[PartFile], key: str) -> str:
    """HMAC-SHA-256 over a part's files. It is keyed, because a plain digest of a short secret could be guessed."""
    total = hmac.new(key.encode(), digestmod=hashlib.sha256)
    for file in files:
        total.update(b"%s %d %o\n" % (file.path.encode(), len(file.data), file.mode))
        total.update(file.data)
    return total.hexdigest()


def digest_users(data: bytes, key: str) -> str:
    """The digest of the users file without its first line, which only holds the generation."""
    return digest([PartFile(USERS, data.partition(b"\n")[2])], key)


def tar(files: Iterable[PartFile]) -> bytes:
    """The files as a tar archive, owned by root and without times, so that equal files give equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(file.path)
            entry.size, entry.mode = len(file.data), file.mode
            archive.addfile(entry, io.BytesIO(file.data))
    return buffer.getvalue()
