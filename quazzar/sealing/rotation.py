"""Rotates the key file: re-seals every stored secret under a new key, while the product runs.

The new key becomes the first of the key file. From then on it seals everything, and the old keys still open what they
sealed. Then each column is processed, and everything that an old key sealed is re-sealed. The previous key stays in
the file until the next rotation, because a writer may have sealed with it and not yet stored the result; an hourly
task re-seals what such a writer stores. Older keys are dropped once no blob names them. The progress of a rotation
follows from the key file and the blobs alone, so after a kill the next run finishes what is left.
"""

import fcntl
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from quazzar.errors import KeyFileError, SealError, Unreadable
from quazzar.sealing import keyring
from quazzar.sealing.cipher import HEADER_BYTES, KeyRing, reseal
from quazzar.sealing.columns import Row, SealedColumn, sealed_columns

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    """Ignores the progress of a rotation."""


@dataclass
class Rotation:
    """What one rotation did.

    Attributes:
        resumed: True if it finished an earlier rotation instead of making a new key.
        resealed: number of re-sealed secrets, by label of the column.
        unreadable: number of secrets that stay as they are, because no key opens them.
        dropped: number of keys, older than the previous one, that were dropped from the key file.
        kept: number of old keys that stay: the previous one, and older ones that an unreadable secret names.
        held: True if older keys stay because a transaction kept writing; the next run drops them.
        seconds: how long the rotation took.
    """

    resumed: bool = False
    resealed: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    dropped: int = 0
    kept: int = 0
    held: bool = False
    seconds: float = 0.0


def rotate(progress: Progress = _silent) -> Rotation:
    """Re-seals everything under a new key, or finishes a rotation that was interrupted.

    Raises:
        SealError: another rotation is running (code ``rotation_running``), the key file cannot be used, or another
            machine has rotated.
    """
    started = time.monotonic()
    with _alone():
        keyring.to_seal_with()
        result = _resume(progress) or _start(progress)
    result.seconds = time.monotonic() - started
    return result


def reseal_stragglers() -> int:
    """Re-seals what writers stored under an old key after a rotation, and returns how many secrets that were.

    The key file stays as it is. No lock is needed: to a rotation, this is one more writer.

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
    progress("Checking for an earlier, unfinished rotation.")
    result = _Resealing(ring, progress).finish()
    result.resumed = bool(result.resealed or result.dropped or result.held)
    # Old keys alone do not mean that a rotation is unfinished: some are kept on purpose.
    return result if result.resumed else None


def _start(progress: Progress) -> Rotation:
    before = keyring.current()
    ring = before.with_new_key()
    keyring.replace(keyring.path(), ring)
    try:
        keyring.guard(ring)  # from here on the other machines know of it
    except KeyFileError:
        keyring.replace(keyring.path(), before)
        raise
    progress("The new key encrypts from now on. The old one still decrypts.")
    return _Resealing(ring, progress).finish()


class _Resealing:
    """Brings all secrets under the first key of a ring.

    Attributes:
        stuck: header → number of secrets with it that did not open in the last pass.
    """

    def __init__(self, ring: KeyRing, progress: Progress) -> None:
        self.ring = ring
        self.progress = progress
        self.columns = sealed_columns()
        self.result = Rotation()
        self.stuck: Counter[bytes] = Counter()

    def finish(self) -> Rotation:
        """Re-seals until nothing is left under an old key, then drops the keys older than the previous one."""
        result = self.result
        self._until_nothing_is_left()
        if len(self._reduced()) < len(self.ring):
            self._drop()
        result.kept = len(self._reduced()) - 1
        without_key = sum(column.count() - column.count(self.ring.headers) for column in self.columns)
        result.unreadable = self.stuck.total() + without_key
        return result

    def _drop(self) -> None:
        # After two rotations in a row, a transaction that sealed with an older key may still be open.
        if not all(column.wait_for_writers() for column in self.columns):
            self.result.held = True
            return
        self._until_nothing_is_left()
        reduced = self._reduced()
        keyring.replace(keyring.path(), reduced)
        self.result.dropped = len(self.ring) - len(reduced)

    def _reduced(self) -> KeyRing:
        """The ring without the keys that neither an unreadable secret nor a slow writer needs."""
        return self.ring.keeping({self.ring.headers[1], *self.stuck})

    def _until_nothing_is_left(self) -> None:
        while self.once():
            pass

    def once(self) -> bool:
        """Processes all columns once, and returns whether there was anything to re-seal."""
        self.stuck.clear()
        return any([self._column(column) for column in self.columns])

    def _column(self, column: SealedColumn) -> bool:
        had_work = False
        for batch in column.batches(self.ring.headers[1:]):
            changes = list(self._resealed(batch, column))
            had_work = had_work or bool(changes)
            # It may be fewer than len(changes): another writer may have replaced some blobs since.
            if moved := column.swap(changes):
                self.result.resealed[column.label] += moved
            self.progress(f"{column.label}: {self.result.resealed[column.label]} re-sealed")
        return had_work

    def _resealed(self, batch: list[Row], column: SealedColumn) -> Iterator[tuple[object, bytes, bytes]]:
        # Not self.ring: `reseal_stragglers` holds no lock, so a rotation may happen between two batches.
        ring = keyring.current()
        for pk, blob in batch:
            try:
                yield pk, blob, reseal(blob, column.context, ring, column.former_contexts)
            except Unreadable:
                self.stuck[blob[:HEADER_BYTES]] += 1


@contextmanager
def _alone() -> Iterator[None]:
    """Holds the rotation lock, a file beside the key file. The system releases it when the process dies.

    Raises:
        SealError: another rotation holds the lock, or its file cannot be made.
    """
    keyring.current()  # creates the key file and its folder on first use
    file = keyring.path()
    try:
        handle = os.open(file.with_name(f".{file.name}.rotation"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise SealError(
            f"The rotation lock next to {file} cannot be created: {exc.strerror}.",
            hint=f"Run this as the user who owns {file.parent}.",
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
        raise SealError(message, hint="Wait until it finishes.", code="rotation_running") from exc
