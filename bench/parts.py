"""What sending one message consists of, each part alone: why a drain takes as long as it does."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

TIMES = 3


@contextmanager
def _timed(parts: dict[str, float], name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    parts[name] = parts.get(name, 0.0) + time.perf_counter() - begun


def measure(fill: Callable[[], object], count: int) -> dict[str, float]:
    """Microseconds of each part for one of the ``count`` messages with which ``fill`` fills the queue: the best of some
    rounds."""
    from mailrelay.models import Message

    best: dict[str, float] = {}
    for _ in range(TIMES):
        fill()
        for name, seconds in _one_after_the_other().items():
            best[name] = min(best.get(name, seconds), seconds)
        Message.objects.all().delete()
    return {name: seconds / count * 1_000_000 for name, seconds in best.items()}


def _one_after_the_other() -> dict[str, float]:
    from mailrelay.queue import delivery, outbox, recording
    from mailrelay.relay import target
    from mailrelay.smtp.connection import Connection
    from mailrelay.smtp.dialogue import Job, Result

    relay = target.load()
    recorder = recording.Recorder("bench")
    connection = Connection(relay.target).open()
    parts: dict[str, float] = {}
    while True:
        with _timed(parts, "claim"):
            rows = outbox.claim(recorder.owner, 100)
        if not rows:
            break
        with _timed(parts, "open and render"):
            envelopes = [delivery._envelope(row, relay) for row in rows]
        outcomes: list[Any] = []
        with _timed(parts, "SMTP"):
            assert connection.wait(connection.begin(envelopes[0])) is None
            for this, following in pairwise([*envelopes, None]):
                assert this is not None
                outcomes.append(connection.wait(connection.finish(this, following))[0])
                assert following is None or connection.wait(connection.announced(following)) is None
        recorder.rows.update({row.pk: row for row in rows})
        results = [
            Result(Job(row.pk, envelope), outcome, in_doubt=True, seconds=0.001)
            for row, envelope, outcome in zip(rows, envelopes, outcomes, strict=True)
        ]
        with _timed(parts, "record"):
            for first in range(0, len(results), 20):
                recorder.record(results[first : first + 20], more=True)
    recorder.close()
    connection.close()
    return parts
