"""python -m bench [sending] [distance] [queue] [memory] [sealing] [mailboxes] [maillog] [dns] [pages] [growth]."""

import json
import os
import signal
import smtplib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.dnschecks import dns
from bench.growth import growth
from bench.mailboxes import mailboxes
from bench.maillog import maillog
from bench.memory import memory
from bench.pages import pages
from bench.ratios import ratio
from bench.satellite import Satellite
from bench.sealing import sealing
from tests.rig.latency import LatencyProxy
from tests.rig.postfix import SmtpSink

Numbers = dict[str, float]


class Runner:
    """Runs one subject after another on one database of its own."""

    def __init__(self, directory: Path, port: int) -> None:
        self._env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bench.settings",
            "QUAZZAR_DATA_DIR": str(directory),
            "QUAZZAR_SECRETS_KEY_FILE": str(directory / "secrets.key"),
            "BENCH_SMTP_PORT": str(port),
        }
        self._run("manage.py", "migrate", "--noinput")

    def _run(self, *argv: str, **env: str) -> str:
        return subprocess.run(
            [sys.executable, *argv], env={**self._env, **env}, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def measure(self, name: str, count: int, times: int = 3, **env: str) -> Numbers:
        """The best of several runs, because noise on the machine can only slow them down."""
        runs = [self.numbers(name, count, **env) for _ in range(times)]
        best: dict[str, float] = max(runs, key=lambda numbers: numbers["rate"])
        print(
            f"  {name + (' (tuned)' if env else ''):34}{best['rate']:10.0f} /s{best['cpu_ms']:9.3f} ms CPU each"
        )
        return best

    def numbers(self, name: str, count: int, **env: str) -> Numbers:
        """What a subject measures in a process of its own."""
        found: Numbers = json.loads(self._run("-m", "bench.subjects", name, str(count), **env))
        return found


def sending(directory: Path) -> None:
    """Local sink, 1 KB messages."""
    print("Sending to a local sink")
    with SmtpSink() as sink:
        run = Runner(directory, sink.port)
        raw = run.measure("raw_smtplib", 3000)
        run.measure("django_one_connection", 2000)
        run.measure("django_send_mail", 1000)
        peer = run.measure("post_office_drain", 2000)
        postfix = satellite(sink.port, 2000)
        ours = run.measure("quazzar_drain", 4000)
        parts = run.numbers("quazzar_parts", 2000)
    for name, microseconds in parts.items():
        print(f"    of that, {name:25}{microseconds:10.0f} µs")
    fifth = 1_000_000 / peer["rate"] / 5
    print(f"    together {sum(parts.values()):.0f} µs; a fifth of django-post_office is {fifth:.0f} µs")
    ratio("drain, of django-post_office", ours["rate"], peer["rate"], 5)
    ratio("its CPU, of django-post_office", ours["cpu_ms"], peer["cpu_ms"], 0.4, most=True)
    ratio("drain, of raw smtplib", ours["rate"], raw["rate"], 2)
    ratio("drain, of Postfix as a satellite relay", ours["rate"], postfix["rate"], 0.5)


def distance(directory: Path) -> None:
    """The same sink, 50 and 200 ms of round trip away."""
    print("Sending over a round trip of 50 ms")
    with SmtpSink() as sink, LatencyProxy(sink.port, rtt=0.05) as far:
        run = Runner(directory, far.port)
        each = run.measure("django_send_mail", 10, times=1)
        one = run.measure("django_one_connection", 25, times=1)
        peer = run.measure("post_office_drain", 200, times=1)
        run.measure("post_office_drain", 400, times=1, BENCH_TUNED="1")
        postfix = satellite(far.port, 1000)
        # Many, because opening the connections takes as long as sending a hundred messages.
        ours = run.measure("quazzar_drain", 6000, times=2)
        trip = round_trip(far.port)
    ratio("drain, of django-post_office", ours["rate"], peer["rate"], 8)
    ratio("drain, of Django's one connection", ours["rate"], one["rate"], 35)
    ratio("drain, of send_mail", ours["rate"], each["rate"], 70)
    ratio("drain, of connections / round trip", ours["rate"], ours["connections"] / trip, 0.95)
    ratio("drain, of Postfix as a satellite relay", ours["rate"], postfix["rate"], 1)
    print("Sending over a round trip of 200 ms")
    with SmtpSink() as sink, LatencyProxy(sink.port, rtt=0.2) as far:
        postfix = satellite(far.port, 300)
        ours = Runner(directory, far.port).measure("quazzar_drain", 3000, times=1)
    ratio("drain, of 100 messages a second", ours["rate"], 100, 1)
    ratio("drain, of Postfix as a satellite relay", ours["rate"], postfix["rate"], 1)


def round_trip(port: int) -> float:
    """The median of the seconds that an answer takes: the proxy's timers add a little to what they were set to."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        trips = []
        for _ in range(40):
            begun = time.perf_counter()
            client.noop()
            trips.append(time.perf_counter() - begun)
    print(f"  {'round trip':34}{statistics.median(trips) * 1000:10.1f} ms")
    return statistics.median(trips)


def satellite(relay_port: int, count: int) -> Numbers:
    """Postfix between a program and the relay; its time begins when the program hands in the first message."""
    with Satellite(relay_port) as postfix:
        rate = postfix.drain(count)
    print(f"  {'postfix_satellite':34}{rate:10.0f} /s")
    return {"rate": rate}


def queue(directory: Path) -> None:
    """Rows into the queue."""
    print("Queueing")
    with SmtpSink() as sink:
        run = Runner(directory, sink.port)
        bare = run.measure("bare_create", 2000)
        ours = run.measure("quazzar_enqueue", 2000)
        bare_bulk = run.measure("bare_bulk_create", 10000)
        ours_bulk = run.measure("quazzar_enqueue_bulk", 10000)
        peer = run.measure("post_office_enqueue", 2000)
        peer_drain = run.measure("post_office_drain", 2000)
        our_drain = run.measure("quazzar_drain", 2000)
    ratio("queue(), of bare create()", ours["rate"], bare["rate"], 0.8)
    ratio("queue_many(), of bulk_create()", ours_bulk["rate"], bare_bulk["rate"], 0.7)
    ratio("queue and drain, of django-post_office", both(ours, our_drain), both(peer, peer_drain), 3)


def both(first: Numbers, second: Numbers) -> float:
    """The combined rate of doing one after the other."""
    return 1 / (1 / first["rate"] + 1 / second["rate"])


def main() -> None:
    # This also stops what a table started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    tables: dict[str, Callable[[Path], None]] = {
        "sending": sending,
        "distance": distance,
        "queue": queue,
        "sealing": sealing,
        "memory": memory,
        "mailboxes": mailboxes,
        "dns": dns,
        "pages": pages,
        "growth": growth,
        "maillog": maillog,
    }
    if unknown := set(sys.argv[1:]) - tables.keys():
        sys.exit(f"There is no table {', '.join(sorted(unknown))}. There are: {', '.join(tables)}.")
    for name in sys.argv[1:] or tables:
        with tempfile.TemporaryDirectory(prefix="quazzar-bench-") as directory:
            tables[name](Path(directory))
        print(flush=True)


if __name__ == "__main__":
    main()
