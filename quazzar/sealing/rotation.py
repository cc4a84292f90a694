"""Re-seal every stored secret under a new key, while the product runs.

The new key goes first into the key file: from then on it seals everything, and the old ones still open. Then,
column by column, what an old key sealed is sealed anew. The key before the new one, the last key, stays in the file
until the next rotation, for a writer that sealed with it and was held up before it could store; what such a writer
stores is re-sealed every hour. Older keys leave when no blob names them any more. Nothing but the key file and the
blobs says how far a rotation is: after a kill the next run finds what is left to do, and does it.
"""

import fcntl
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from quazzar.errors import SealError, Unreadable
from quazzar.sealing import cipher as sealing
from quazzar.sealing import keyring
from quazzar.sealing.cipher import HEADER_BYTES, KeyRing
from quazzar.sealing.columns import Row, SealedColumn, sealed_columns

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    """Progress that nobody follows."""


@dataclass
class Rotation:
    """What one rotation did.

    Attributes:
        resumed: an earlier one had left something to do; it was done, and no new key was made.
        resealed: how many secrets were sealed anew, by column.
        unreadable: how many stay as they are, because no key opens them.
        dropped: how many keys older than the last one left the key file.
        kept: how many old keys stay: the last one, and older ones that an unreadable secret names.
        held: older keys stay as well, because a transaction went on writing; the next run drops them.
        seconds: how long it took.
    """

    resumed: bool = False
    resealed: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    dropped: int = 0
    kept: int = 0
    held: bool = False
    seconds: float = 0.0


def rotate(progress: Progress = _silent) -> Rotation:
    """Re-seal everything under a new key; an unfinished rotation is finished instead.

    Raises:
        SealError: another rotation runs, or the key file cannot be used.
    """
    started = time.monotonic()
    with _alone():
        result = _resume(progress) or _start(progress)
    result.seconds = time.monotonic() - started
    return result


def reseal_stragglers() -> int:
    """Re-seal what writers stored under an old key after a rotation; says how many. The key file stays as it is.

    Needs no lock: to a rotation this is one more writer.

    Raises:
        KeyFileError: the key file cannot be used.
    """
    ring = keyring.existing()
    if ring is None or len(ring) == 1:
        return 0
    resealing = _Resealing(ring, _silent)
    resealing.once()
    return resealing.result.resealed.total()


def _resume(progress: Progress) -> Rotation | None:
    ring = keyring.current()
    if len(ring) == 1:
        return None
    progress("Looking for what an earlier rotation left to do.")
    result = _Resealing(ring, progress).finish()
    result.resumed = bool(result.resealed or result.dropped or result.held)
    # Old keys that are meant to stay are no unfinished rotation.
    return result if result.resumed else None


def _start(progress: Progress) -> Rotation:
    ring = keyring.current().with_new_key()
    keyring.replace(keyring.path(), ring)
    progress("A new key seals from now on; the old one still opens.")
    return _Resealing(ring, progress).finish()


class _Resealing:
    """The way of all secrets to the first key of a ring.

    Attributes:
        stuck: how many secrets did not open when they were last gone over, by the header they name.
    """

    def __init__(self, ring: KeyRing, progress: Progress) -> None:
        self.ring = ring
        self.progress = progress
        self.columns = sealed_columns()
        self.result = Rotation()
        self.stuck: Counter[bytes] = Counter()

    def finish(self) -> Rotation:
        """Re-seal until nothing is left under an old key, then drop the keys older than the last one."""
        result = self.result
        self._until_nothing_is_left()
        if len(self._reduced()) < len(self.ring):
            self._drop()
        result.kept = len(self._reduced()) - 1
        known = self.ring.headers
        unknown = sum(column.count() - column.count(known) for column in self.columns)
        result.unreadable = self.stuck.total() + unknown
        return result

    def _drop(self) -> None:
        # With two rotations in a row, an older key may have sealed in a transaction that is still open.
        if not all(column.wait_for_writers() for column in self.columns):
            self.result.held = True
            return
        self._until_nothing_is_left()
        reduced = self._reduced()
        keyring.replace(keyring.path(), reduced)
        self.result.dropped = len(self.ring) - len(reduced)

    def _reduced(self) -> KeyRing:
        """The ring without the keys that nothing needs: neither an unreadable secret nor a held-up writer."""
        return self.ring.keeping({self.ring.headers[1], *self.stuck})

    def _until_nothing_is_left(self) -> None:
        while self.once():
            pass

    def once(self) -> bool:
        """Go over all columns; says whether there was anything to re-seal."""
        self.stuck.clear()
        return any([self._column(column) for column in self.columns])

    def _column(self, column: SealedColumn) -> bool:
        found = False
        for batch in column.batches(self.ring.headers[1:]):
            changes = list(self._resealed(batch, column))
            found = found or bool(changes)
            # Not all of them count: another writer may have been faster.
            if moved := column.swap(changes):
                self.result.resealed[column.label] += moved
            self.progress(f"{column.label}: {self.result.resealed[column.label]} re-sealed")
        return found

    def _resealed(self, batch: list[Row], column: SealedColumn) -> Iterator[tuple[object, bytes, bytes]]:
        # Not self.ring: without the lock, rotations may happen between two batches.
        ring = keyring.current()
        for pk, blob in batch:
            try:
                yield pk, blob, sealing.reseal(blob, column.context, ring, column.former_contexts)
            except Unreadable:
                self.stuck[blob[:HEADER_BYTES]] += 1


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the rotation lock beside the key file; the system frees it when the process dies.

    Raises:
        SealError: another rotation holds it, or it cannot be made.
    """
    keyring.current()  # makes file and folder on first use
    file = keyring.path()
    try:
        handle = os.open(file.with_name(f".{file.name}.rotation"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise SealError(
            f"The rotation lock beside {file} cannot be made: {exc.strerror}.",
            hint=f"Run this as the owner of {file.parent}.",
        ) from exc
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        message = "Another rotation is running."
        raise SealError(message, hint="Wait until it has finished.", code="rotation_running") from exc
