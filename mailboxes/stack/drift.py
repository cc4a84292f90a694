"""Files in the containers that somebody changed by hand: found by digests, and put right."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mailboxes.engine.values import PutFile
from mailboxes.models import Stack
from mailboxes.push import parts, render, snapshots
from mailboxes.push import writer as syncing

if TYPE_CHECKING:
    from mailboxes.push.snapshots import Taken
    from mailboxes.stack.bringup import Site

#: One line per file, "digest  name"; what is missing has no line. $@ are paths below /etc/dovecot.
_CONFIG = """
cd /etc/dovecot
for file in "$@"; do [ ! -f "$file" ] || sha256sum "$file"; done
[ ! -f users ] || printf '%s  users\\n' "$(tail -n +2 users | sha256sum | cut -d' ' -f1)"
"""
_POSTFIX = """
cd /etc/opendkim/keys
for file in *; do [ ! -f "$file" ] || printf '%s  dkim/%s\\n' "$(sha256sum <"$file" | cut -d' ' -f1)" "$file"; done
for table in domains mailboxes aliases senders; do
  rows=$(postmap -s lmdb:/mail-config/postfix/$table | LC_ALL=C sort | sha256sum | cut -d' ' -f1)
  printf '%s  postfix/%s.lmdb\\n' "$rows" $table
done
printf '%s  postfix/relayhost in force\\n' "$(postconf -h relayhost | sha256sum | cut -d' ' -f1)"
"""


def find(where: Site) -> set[str]:
    """Names of what differs; nothing while a change is on its way.

    Raises:
        StackError: a container does not answer.
    """
    stack = Stack.load()
    if stack.desired_generation != stack.applied_generation or stack.parts.get(syncing.DIRTY):
        return set()
    taken = snapshots.take()
    wanted = {file.path: _sha(file.data) for file in where.files if file.volume == "config"}
    wanted |= _wanted(taken)
    paths = sorted(name for name in wanted if not name.startswith("dkim/") and not _live(name))
    found = _ask(where, "dovecot", _CONFIG, paths) | _ask(where, "postfix", _POSTFIX, [])
    return {name for name, digest in wanted.items() if found.get(name) != digest}


def _live(name: str) -> bool:
    return name == parts.USERS or name.endswith((".lmdb", "in force"))


def _wanted(taken: Taken) -> dict[str, str]:
    """Name → digest of everything that is rendered from rows and can be known now."""
    wanted: dict[str, str] = {}
    if not taken.unreadable:
        wanted["users"] = _sha(render.users(taken.snapshot).partition(b"\n")[2])
    rendered = parts.bundle(taken.snapshot, taken.certificate or ("", ""))
    for name, files in rendered.items():
        if name in taken.frozen or (name == "dkim" and taken.unreadable_keys):
            continue
        wanted |= {file.path: _sha(file.data) for file in files}
    for file in rendered["tables"]:
        if file.path.startswith("postfix/"):
            wanted[f"{file.path}.lmdb"] = _sha(_as_postmap_shows(file.data))
    if "relay" not in taken.frozen:
        relayhost = next(file.data for file in rendered["relay"] if file.path.endswith("relayhost"))
        wanted["postfix/relayhost in force"] = _sha(relayhost.strip() + b"\n")
    return wanted


def _as_postmap_shows(table: bytes) -> bytes:
    rows = (line.split(None, 1) for line in table.splitlines() if line and not line.startswith(b"#"))
    return b"".join(
        sorted(key.lower() + b"\t" + (value[0] if value else b"") + b"\n" for key, *value in rows)
    )


def _ask(where: Site, service: str, script: str, paths: list[str]) -> dict[str, str]:
    argv = ["bash", "-c", script, "drift", *paths]
    result = where.engine.check(where.spec.service(service).name, argv, what="comparing files")
    rows = (line.split("  ", 1) for line in result.stdout.decode(errors="replace").splitlines())
    return {row[1]: row[0] for row in rows if len(row) == 2}


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def repair(where: Site, found: set[str]) -> None:
    """What is rendered from rows is written again by the next sync; static configuration is put back at once.

    The daemons read that when they start, so putting it back interrupts nothing.
    """
    static = [file for file in where.files if file.volume == "config" and file.path in found]
    if static:
        files = [PutFile(f"/etc/dovecot/{each.path}", each.data, each.mode) for each in static]
        where.engine.put(where.spec.service("dovecot").name, files)
    of_parts = found - {file.path for file in static}
    if of_parts:
        syncing.forget({_part_of(name) for name in of_parts})


def _part_of(name: str) -> str:
    if name == parts.USERS:
        return parts.USERS
    if name.startswith(("dkim/", "tls/")):
        return name.partition("/")[0]
    if "relay" in name or name.endswith(("sasl_passwd", "tls_policy")):
        return "relay"
    return "tables"
