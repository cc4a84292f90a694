"""Files in the containers that were changed by hand: found by digests, and repaired."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from mailboxes.engine.values import PutFile
from mailboxes.models import Stack
from mailboxes.provisioning.addresses import DOMAIN_PATTERN
from mailboxes.push import parts, render, snapshots, writer

if TYPE_CHECKING:
    from mailboxes.push.snapshots import Desired
    from mailboxes.stack.bringup import Target

#: Prints "digest  name" for each file that exists. The arguments are paths below /etc/dovecot.
_CONFIG = """
cd /etc/dovecot
for file in "$@"; do [ ! -f "$file" ] || sha256sum "$file"; done
[ ! -f users ] || printf '%s  users\\n' "$(tail -n +2 users | sha256sum | cut -d' ' -f1)"
# Each line in the directory fresh must be in the users file, too.
lines=$(cat fresh/?? 2>/dev/null | grep -v '^#' | sort -u)
[ "$lines" = "$(grep -xFf <(printf '%s' "$lines") users | sort -u)" ] || echo 'fresh differs  users'
# Directories that Dovecot cannot write in, as after a restore by root, and mail that it cannot read, as after a copy by
# root. Looking at every mail would take too long here: only where something was put lately.
cd /srv/vmail
{
  find . -mindepth 1 -maxdepth 5 -path './.*' -prune -o -type d ! -user vmail -print
  find . -mindepth 1 -path './.*' -prune -o -path './*/*' -type d -mmin -10 \\
    -exec bash -c 'for d; do find "$d" -maxdepth 1 -type f ! -user vmail -print -quit; done' look {} +
} | cut -d/ -f2,3 | sort -u | head -n 1000 | sed 's,^,owner  mail/,'
"""
#: Gives the mail in these directories, which are below /srv/vmail, back to Dovecot. Dovecot's user owns them and could
#: replace any of them with a link at any moment, so find descends from here by itself and acts with -execdir.
_OWN = """
cd /srv/vmail
for directory in "$@"; do
  find . -xdev -mindepth 1 ! -path "./${directory%%/*}" ! -path "./$directory" ! -path "./$directory/*" -prune -o \\
    \\( -type d -o -type f -links 1 \\) ! -user vmail -execdir chown -h vmail:vmail {} +
done
"""
#: The same for all mail; prints how many directories and files there were. Postfix's queue lies there too, and the
#: copy for an upgrade's way back; neither is touched.
OWN_ALL = """
cd /srv/vmail
nice -n 19 find . -xdev -path './.?*' -prune -o -path './*/*' \\
  \\( -type d -o -type f -links 1 \\) ! -user vmail -execdir chown -h vmail:vmail {} + -printf . | wc -c
"""
_POSTFIX = """
for table in domains mailboxes aliases senders; do
  rows=$(postmap -s lmdb:/mail-config/postfix/$table | LC_ALL=C sort | sha256sum | cut -d' ' -f1)
  printf '%s  postfix/%s.lmdb\\n' "$rows" $table
done
printf '%s  postfix/relayhost in force\\n' "$(postconf -h relayhost | sha256sum | cut -d' ' -f1)"
"""

#: In Rspamd's container, as its user: a key that it cannot read differs.
_RSPAMD = """
cd /mail-dkim 2>/dev/null || cd /mail-config/dkim 2>/dev/null || exit 0
for file in keys/* domains/*; do
  [ ! -r "$file" ] || printf '%s  dkim/%s\\n' "$(sha256sum <"$file" | cut -d' ' -f1)" "$file"
done
"""

#: A mailbox's mail, or a domain's, with the wrong owner.
_HOME = re.compile(rf"mail/(?:{render.HOME.pattern}|{DOMAIN_PATTERN})")


def find(target: Target) -> set[str]:
    """Names of the files that differ from what they should be, and ``mail/…`` for mail with the wrong owner.

    It is empty while a change is being pushed.

    Raises:
        StackError: a container does not answer.
    """
    stack = Stack.load()
    if stack.desired_generation != stack.applied_generation or stack.parts.get(writer.DIRTY):
        return set()
    wanted = {file.path: _sha256(file.data) for file in target.files if file.volume == "config"}
    wanted |= _rendered_digests(snapshots.take())
    paths = sorted(name for name in wanted if not name.startswith("dkim/") and not _has_own_script(name))
    present = _digests(target, "dovecot", _CONFIG, paths) | _digests(target, "postfix", _POSTFIX, [])
    present |= _digests(target, "rspamd", _RSPAMD, [])
    return {name for name, digest in wanted.items() if present.get(name) != digest} | set(
        filter(_HOME.fullmatch, present)
    )


def _has_own_script(name: str) -> bool:
    """Whether more than the file's bytes is compared: rows of a table, a setting in force, the users file."""
    return name == parts.USERS or name.endswith((".lmdb", "in force"))


def _rendered_digests(desired: Desired) -> dict[str, str]:
    """Name → digest of everything that is rendered from rows, except for what cannot be unsealed."""
    wanted: dict[str, str] = {}
    if not desired.unreadable:
        wanted[parts.USERS] = _sha256(render.users(desired.snapshot).partition(b"\n")[2])
    rendered = parts.bundle(desired.snapshot, desired.certificate or ("", ""))
    for name, files in rendered.items():
        if name in desired.frozen or (name == "dkim" and desired.unreadable_keys):
            continue
        wanted |= {file.path: _sha256(file.data) for file in files}
    for file in rendered["tables"]:
        if file.path.startswith("postfix/") and not file.path.endswith("_commands"):
            wanted[f"{file.path}.lmdb"] = _sha256(_as_postmap_prints(file.data))
    if "relay" not in desired.frozen:
        relayhost = next(file.data for file in rendered["relay"] if file.path.endswith("relayhost"))
        wanted["postfix/relayhost in force"] = _sha256(relayhost.strip() + b"\n")
    return wanted


def _as_postmap_prints(table: bytes) -> bytes:
    """A table's rows as ``postmap -s`` prints them: sorted, keys in lower case, a tab before the value."""
    rows = (line.split(None, 1) for line in table.splitlines() if line and not line.startswith(b"#"))
    return b"".join(
        sorted(key.lower() + b"\t" + (value[0] if value else b"") + b"\n" for key, *value in rows)
    )


def _digests(target: Target, service: str, script: str, paths: list[str]) -> dict[str, str]:
    argv = ["bash", "-c", script, "drift", *paths]
    result = target.engine.check(target.spec.service(service).name, argv, what="comparing files")
    rows = (line.split("  ", 1) for line in result.stdout.decode(errors="replace").splitlines())
    return {row[1]: row[0] for row in rows if len(row) == 2}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def repair(target: Target, names: set[str]) -> None:
    """Puts static configuration back at once, and makes the next push write again what is rendered from rows.

    Postfix and Dovecot read their static configuration only when they start; Rspamd is told (``reload_rspamd``).

    Raises:
        StackError: the container did not take the files.
    """
    static = [file for file in target.files if file.volume == "config" and file.path in names]
    if static:
        files = [PutFile(f"/etc/dovecot/{file.path}", file.data, file.mode) for file in static]
        target.engine.put(target.spec.service("dovecot").name, files)
    if homes := sorted(name.removeprefix("mail/") for name in names if _HOME.fullmatch(name)):
        dovecot = target.spec.service("dovecot").name
        target.engine.check(dovecot, ["bash", "-c", _OWN, "own", *homes], what="giving mail its owner back")
    rendered = {name for name in names if not _HOME.fullmatch(name)} - {file.path for file in static}
    if rendered:
        writer.forget({_part_of(name) for name in rendered})


def _part_of(name: str) -> str:
    if name == parts.USERS:
        return parts.USERS
    if name.startswith(("dkim/", "tls/")):
        return name.partition("/")[0]
    if "relay" in name or name.endswith(("sasl_passwd", "tls_policy", "authorities.pem")):
        return "relay"
    return "tables"
