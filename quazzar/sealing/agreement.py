"""Whether this machine's key file is the one that the other machines of a PostgreSQL database seal with.

For each key that seals, the database keeps a known text sealed under it: only a machine that holds the key can open it,
and it tells nothing else about the key. The newest one is in force. A machine whose key file does not open it stores
nothing sealed, because the others could not read that; it says so, and continues as soon as its file is right.

A key file that opens the proof in force and seals with a newer key was rotated here: its key is in force from then on.
SQLite has a single machine, so nothing is compared there.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps
from django.db import ProgrammingError, connection, transaction

from quazzar.errors import KeyDiffers, KeyFileError, Unreadable
from quazzar.sealing import keyring
from quazzar.sealing.cipher import HEADER_BYTES, KeyRing, seal, unseal
from quazzar.sealing.columns import sealed_columns

if TYPE_CHECKING:
    from django.db.models import Model

logger = logging.getLogger(__name__)

_TEXT, _CONTEXT = b"This key seals.", "quazzar.sealingkey.proof"
#: Seconds for which an agreement holds. Another machine may rotate during that time: it keeps the key before its new
#: one.
_HOLDS = 10.0
#: Seconds between two lines in the log about a key file that differs.
_SAID_EVERY = 60.0
#: Secrets of each kind that tell which keys were in use before there was any proof.
_NEWEST = 200


class _Agreed(NamedTuple):
    headers: tuple[bytes, ...]
    at: float


_agreed: _Agreed | None = None
_said_at = float("-inf")


def agrees() -> bool:
    """Whether this machine holds the key of the others; logs it once a minute if not.

    A key file that cannot be used at all is not judged here: code that needs a key reports the problem.
    """
    global _said_at
    try:
        ring = keyring.existing()
        if ring is None:
            return not _is_shared()
        require(ring)
    except KeyDiffers as exc:
        if time.monotonic() - _said_at > _SAID_EVERY:
            _said_at = time.monotonic()
            logger.error("%s %s", exc.message, exc.hint)
        return False
    except KeyFileError:
        return True
    return True


def require(ring: KeyRing) -> None:
    """Check this ring against the database, and put its first key in force if it was rotated here.

    Raises:
        KeyDiffers: other machines seal with a key that is not in it.
    """
    global _agreed
    if _holds(ring):
        return
    if _is_shared():
        while not _settled(ring):
            pass  # a proof was added, by us or by a machine that was first
    _agreed = _Agreed(ring.headers, time.monotonic())


def adopt() -> int:
    """Put this machine's key in force, whatever the others hold; returns how many stored secrets it does not open.

    Raises:
        KeyFileError: the key file cannot be used.
    """
    ring = keyring.current()
    newest = _proofs().first()
    if newest is None or _header(newest) != ring.header:
        _put_in_force(ring, number=1 if newest is None else newest.number + 1)
    return sum(column.count() - column.count(ring.headers) for column in sealed_columns())


def _holds(ring: KeyRing) -> bool:
    if _agreed is None or _agreed.headers != ring.headers:
        return False
    return time.monotonic() - _agreed.at < _HOLDS


def _settled(ring: KeyRing) -> bool:
    """Whether the ring agrees with the proof in force; False if a proof was just added, so that it must be read.

    Raises:
        KeyDiffers: it does not agree.
    """
    newest, *former = _proofs()[:2] or [None]
    if newest is None:
        if not _opens_what_is_stored(ring):
            raise _differs()
        _put_in_force(ring, number=1)
        return False
    if not _opens(newest, ring):
        raise _differs()
    # The key before is still in every file (see rotation.py), so what it seals can be read everywhere.
    if ring.header in (_header(newest), *map(_header, former)):
        return True
    _put_in_force(ring, number=newest.number + 1)
    return False


def _opens_what_is_stored(ring: KeyRing) -> bool:
    """Whether the newest secrets, if there are any, know one of the ring's keys."""
    headers: set[bytes] = set()
    for column in sealed_columns():
        try:
            with transaction.atomic():
                headers |= column.newest_headers(_NEWEST)
        except ProgrammingError:
            continue  # a migration is under way, and this column is still to come
    return not headers or not headers.isdisjoint(ring.headers)


def _proofs() -> Any:
    return apps.get_model("quazzar", "SealingKey").objects.order_by("-number")


def _header(row: Model) -> bytes:
    return bytes(row.proof[:HEADER_BYTES])  # type: ignore[attr-defined]


def _opens(row: Model, ring: KeyRing) -> bool:
    try:
        return unseal(bytes(row.proof), _CONTEXT, ring) == _TEXT  # type: ignore[attr-defined]
    except Unreadable:
        return False


def _put_in_force(ring: KeyRing, number: int) -> None:
    """Add a proof under this number, unless another machine has just used the number."""
    model = apps.get_model("quazzar", "SealingKey")
    row = model(number=number, proof=seal(_TEXT, _CONTEXT, ring))
    model.objects.bulk_create([row], ignore_conflicts=True)


def _is_shared() -> bool:
    """Whether other machines may use this database, and it has the table of proofs."""
    if connection.vendor != "postgresql":
        return False
    # Asked first, because an error would end the transaction of a migration.
    table = apps.get_model("quazzar", "SealingKey")._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [table])
        return cursor.fetchone()[0] is not None


def _differs() -> KeyDiffers:
    file = keyring.path()
    return KeyDiffers(
        f"The key file {file} on this machine is not the one that the other machines use, so nothing is sealed "
        "or sent here. Copy it from a machine that works.",
        hint=(
            "If no machine has it any more, run manage.py adopt_key on one, copy its key file to the others, and "
            "enter the stored secrets again."
        ),
    )
