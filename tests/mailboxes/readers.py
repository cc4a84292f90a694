"""How the servers read our files, written again from their manuals: nothing here knows how the files are made."""

from __future__ import annotations

import re
from typing import NamedTuple

_BLANK = " \t\r\v\f"


class User(NamedTuple):
    """A line of Dovecot's passwd-file."""

    password: str
    uid: str
    gid: str
    home: str
    extra: dict[str, str]


def passwd_file(data: bytes) -> dict[str, User]:
    """``user:password:uid:gid:(gecos):home:(shell):extra_fields``; # begins a comment, the first of two wins.

    Dovecot escapes ``' " \\`` in a name before it looks it up; a name in the file that is not escaped is never found.
    """
    users: dict[str, User] = {}
    for line in data.decode().split("\n"):
        if line and not line.startswith("#"):
            name, password, uid, gid, _, home, _, extra = line.split(":", 7)
            fields = dict(field.split("=", 1) for field in extra.split(" ") if field)
            found_as = re.sub(r"\\(.)", r"\1", name)
            if re.sub(r"""(['"\\])""", r"\\\1", found_as) == name:
                users.setdefault(found_as, User(password, uid, gid, home, fields))
    return users


def postfix_table(data: bytes) -> dict[str, str]:
    """postmap(1): key, blanks, value; # begins a comment line, a blank at its start continues the line before."""
    logical: list[str] = []
    for line in data.decode().split("\0")[0].split("\n"):
        if not line.strip(_BLANK) or line.lstrip(_BLANK).startswith("#"):
            continue
        if line[0] in _BLANK and logical:
            logical[-1] += line
        else:
            logical.append(line)
    rows: dict[str, str] = {}
    for line in logical:
        key, value = _key_and_value(line)
        if key and value:
            rows.setdefault(key.lower(), value)
    return rows


def _key_and_value(line: str) -> tuple[str, str]:
    """The key ends at the first blank that is neither quoted nor escaped."""
    quoted, index = False, 0
    while index < len(line):
        if line[index] == "\\":
            index += 1
        elif line[index] == '"':
            quoted = not quoted
        elif line[index] in _BLANK and not quoted:
            break
        index += 1
    return line[:index], line[index:].strip(_BLANK)
