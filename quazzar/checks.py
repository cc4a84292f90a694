"""System checks, which report a wrong configuration before the first request. Each has an id and a hint."""

import stat
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register

from quazzar.errors import KeyDiffers, KeyFileError
from quazzar.sealing import keyring
from quazzar.sealing.fields import sealed_fields


@register(Tags.security)
def check_key_file(**_: Any) -> list[CheckMessage]:
    """E001: others can reach the key file, or we cannot. E002: it is not a key ring.

    A key file that does not exist yet is fine: it is made on first use.
    """
    file = keyring.path()
    try:
        status = file.stat()
    except FileNotFoundError:
        return []
    except OSError as exc:
        message = f"The key file {file} is not accessible: {exc.strerror or type(exc).__name__}."
        return [Error(message, hint="Run this as the user who owns the file.", id="quazzar.E001")]
    try:
        keyring.check_access(file, status)
    except KeyFileError as exc:
        return [Error(exc.message, hint=exc.hint, id="quazzar.E001")]
    try:
        keyring.read(file)
    except KeyFileError as exc:
        return [Error(exc.message, hint=exc.hint, id="quazzar.E002")]
    return []


@register(Tags.security)
def check_key_folder(**_: Any) -> list[CheckMessage]:
    """W001: others could replace the key file with one of their own."""
    folder = keyring.path().parent
    try:
        mode = folder.stat().st_mode
    except OSError:
        return []  # made together with the key file; if it cannot be read, E001 says so
    # In a sticky folder such as /tmp others cannot rename our file.
    if not mode & 0o022 or mode & stat.S_ISVTX:
        return []
    message = f"Other users can replace the key file: its folder {folder} has mode {stat.S_IMODE(mode):04o}."
    return [Warning(message, hint=f"chmod go-w {folder}", id="quazzar.W001")]


@register(Tags.database)
def check_key_agreement(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """W002: other machines use another key file. Asked of the database, so only by ``check --database default``."""
    if not databases:
        return []
    try:
        if (ring := keyring.existing()) is not None:
            keyring.guard(ring)
    except KeyDiffers as exc:
        return [Warning(exc.message, hint=exc.hint, id="quazzar.W002")]
    except KeyFileError:
        return []  # E001 or E002 reports it
    return []


@register(Tags.models)
def check_seal_contexts(**_: Any) -> list[CheckMessage]:
    """E003: two columns share a seal context, so that a blob copied from one to the other would open."""
    users = defaultdict(list)
    for model, field in sealed_fields():
        for context in (field.context, *field.former_contexts):
            users[context].append(f"{model._meta.label}.{field.name}")
    return [
        Error(
            f'The seal context "{context}" is used by {" and ".join(names)}.',
            hint="Give each sealed field its own context.",
            id="quazzar.E003",
        )
        for context, names in users.items()
        if len(names) > 1
    ]
