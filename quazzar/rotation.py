"""Re-seal every stored secret under a new key, while the product runs.

The new key goes first into the key file: from then on it seals everything, and the old ones still open. Then,
column by column, what an old key sealed is sealed anew. The key before the new one stays in the file until the
next rotation, for a writer that sealed with it and was held up before it could store; older ones leave when no blob
names them any more. Nothing but the key file says how far a rotation is, so after a kill the next one goes on.
"""

import fcntl
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from quazzar import keyring, sealing
from quazzar.errors import SealError, Unreadable
from quazzar.sealedcolumns import Row, SealedColumn, sealed_columns
from quazzar.sealing import HEADER_BYTES, KeyRing

#: A writer that took the ring just before it was replaced has stored its blob within this time.
SETTLE_SECONDS = 0.5

Progress = Callable[[str], None]


@dataclass
class Rotation:
    """What one rotation did.

    Attributes:
        resumed: it went on with an unfinished one, and made no new key.
        resealed: how many secrets were sealed anew, by column.
        unreadable: how many stay as they are, because no key opens them.
        dropped: how many old keys left the key file.
        kept: how many old keys stay: the last one, and those that an unreadable secret names.
        seconds: how long it took.
    """

    resumed: bool = False
    resealed: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    dropped: int = 0
    kept: int = 0
    seconds: float = 0.0


def rotate(progress: Progress = lambda _: None) -> Rotation:
    """Re-seal everything under a new key; an unfinished rotation is finished instead.

    Raises:
        SealError: another rotation runs, or the key file cannot be used.
    """
    started = time.monotonic()
    with _alone():
        result = _resume(progress) or _start(progress)
    result.seconds = time.monotonic() - started
    return result


def _resume(progress: Progress) -> Rotation | None:
    ring = keyring.current()
    if len(ring) == 1:
        return None
    progress(f"The key file holds {len(ring)} keys: going on where an earlier rotation stopped.")
    result = _Pass(ring, progress).finish()
    result.resumed = bool(result.resealed or result.dropped)
    # Old keys that are meant to stay are no unfinished rotation.
    return result if result.resumed else None


def _start(progress: Progress) -> Rotation:
    ring = keyring.current().with_new_key()
    keyring.replace(keyring.path(), ring)
    progress("A new key seals from now on; the old one still opens.")
    return _Pass(ring, progress).finish()


class _Pass:
    """The way from a ring with old keys to one without them."""

    def __init__(self, ring: KeyRing, progress: Progress) -> None:
        self.ring = ring
        self.progress = progress
        self.columns = sealed_columns()
        self.result = Rotation()

    def finish(self) -> Rotation:
        """Re-seal until nothing is left under an old key, then drop the keys older than the last one."""
        result = self.result
        last = set(self.ring.headers[1:2])
        while True:
            reduced = self.ring.keeping(self._until_quiet() | last)
            gone = set(self.ring.headers) - set(reduced.headers)
            keyring.replace(keyring.path(), reduced)
            if not any(column.count(gone) for column in self.columns):
                break
            # A writer was held up for longer than that: its key goes back, and its row is done again.
            keyring.replace(keyring.path(), self.ring)
        result.dropped = len(gone)
        result.kept = len(reduced) - 1
        known = set(self.ring.headers)
        result.unreadable += sum(column.count() - column.count(known) for column in self.columns)
        return result

    def _until_quiet(self) -> set[bytes]:
        """Go over all columns until twice in a row, a moment apart, there was nothing to do.

        Returns the headers that secrets which do not open still name.
        """
        quiet = 0
        while True:
            stuck: Counter[bytes] = Counter()
            busy = [self._column(column, stuck) for column in self.columns]
            quiet = 0 if any(busy) else quiet + 1
            if quiet == 2:
                self.result.unreadable = stuck.total()
                return set(stuck)
            time.sleep(SETTLE_SECONDS)

    def _column(self, column: SealedColumn, stuck: Counter[bytes]) -> bool:
        """Re-seal one column; says whether it was changing."""
        still = column.wait_for_writers()
        if not still:
            self.progress(f"{column.label}: waiting for a transaction that is writing")
        moved = 0
        for batch in column.batches(set(self.ring.headers) - {self.ring.header}):
            moved += column.swap(self._resealed(batch, column.context, stuck))
            self.progress(f"{column.label}: {self.result.resealed[column.label] + moved} re-sealed")
        if moved:
            self.result.resealed[column.label] += moved
        return bool(moved) or not still

    def _resealed(
        self, batch: list[Row], context: str, stuck: Counter[bytes]
    ) -> Iterator[tuple[object, bytes, bytes]]:
        for pk, blob in batch:
            try:
                yield pk, blob, sealing.reseal(blob, context, self.ring)
            except Unreadable:
                stuck[blob[:HEADER_BYTES]] += 1


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
