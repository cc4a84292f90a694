"""The mailbox stack on a real Docker Engine with stand-in images: how soon changes live, and what they cost."""

import contextlib
import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import docker

from bench.logins import Others, wait_until_in
from bench.ratios import bound, ratio
from mailboxes.engine.client import Engine
from mailboxes.provisioning import passwords
from mailboxes.push import parts, recipe, render
from mailboxes.push.entries import DomainEntry, MailboxEntry, Snapshot
from tests.live.console import Console
from tests.live.mailstack import MailStack, enabled
from tests.rig.daemon import Daemon, project
from tests.rig.images import ensure_images
from tests.rig.mailclients import Login

BASE, MANY, MORE = 10, 10_000, 100_000
ONE_BY_ONE, IN_A_BURST = 40, 60
IMPORTED = 1000
CORES = 2
_PASSWORD = "correct horse battery"


def mailboxes(directory: Path) -> None:
    """Prints all tables. Takes five to six minutes."""
    with (
        Daemon() as daemon,
        contextlib.closing(daemon.client()) as client,
        project(daemon) as name,
        enabled(directory / "stack", client, ensure_images(client), name) as stack,
    ):
        times = _living(stack)
        _importing(stack, client)
        stack.stop()
        with Engine() as engine:
            _dovecot_alone(stack, engine, times)
            _pushing(engine, f"{name}-dovecot", f"{name}-postfix")
    with Console(directory / "api") as console:
        _creating(console)
        _listing(console)


# --- POST → login ------------------------------------------------------------------------------------------
def _living(stack: MailStack) -> dict[int, list[float]]:
    print(f"From POST to the first IMAP login, while {BASE} others log in all the time")
    domain = stack.add_domain("live.test")
    base = [stack.add_mailbox(domain, f"base{number}") for number in range(BASE)]
    for box in base:
        box.wait_login()
    stack.wait_synced()
    times: dict[int, list[float]] = {}
    with Others(stack.server, [box.login for box in base]) as others:
        times[BASE] = _adds(stack, domain, BASE)
        _subject(stack, "fill", str(MANY))
        stack.wait_synced()
        times[MANY] = _adds(stack, domain, MANY)
    for size, seconds in times.items():
        bound(f"p95 at {size:,}", _p95(seconds), 0.3, "s")
    adds = 2 * (ONE_BY_ONE + IN_A_BURST)
    took = f"p50 {statistics.median(others.seconds):.3f} s, longest {max(others.seconds):.2f} s"
    print(f"  the others, during {adds} adds and the push of {MANY:,}: {len(others.seconds)} logins, {took}")
    bound("failed logins of others", len(others.failures), 0, "of them")
    for failure in others.failures[:5]:
        print(f"      {failure}")
    return times


def _adds(stack: MailStack, domain: dict[str, Any], size: int) -> list[float]:
    posts, lives = [], []
    for number in range(ONE_BY_ONE):
        # Dovecot reads the file when a second begins; without this pause each POST would come right after that.
        time.sleep(random.random())
        started = time.monotonic()
        box = stack.add_mailbox(domain, f"one{number}at{size}")
        posts.append(time.monotonic() - started)
        lives.append(wait_until_in(stack.server, box.login) - started)
    _spread(
        f"at {size:,} mailboxes, {ONE_BY_ONE} adds", lives, f"POST itself {statistics.median(posts):.3f} s"
    )
    started = time.monotonic()
    boxes = [stack.add_mailbox(domain, f"burst{number}at{size}") for number in range(IN_A_BURST)]
    added = time.monotonic()
    last = wait_until_in(stack.server, boxes[-1].login)
    print(
        f"  … then {IN_A_BURST} at once: {added - started:.1f} s of POSTs; the last is in {last - added:.2f} s later"
    )
    stack.wait_synced()
    return lives


def _dovecot_alone(stack: MailStack, engine: Engine, ours: dict[int, list[float]]) -> None:
    """The lower limit: only the file is written, the same way, while the same others log in."""
    print("The same by the users file alone, which Dovecot looks at once a second")
    hashed = passwords.hash_password(_PASSWORD)
    base = [Login(f"base{number}@live.test", _PASSWORD) for number in range(BASE)]
    for size, our_times in ours.items():
        others = [login.address for login in base] + [
            f"user{number:06d}@many.test" for number in range(BASE, size)
        ]
        write = partial(_write_by_hand, engine, f"{stack.project}-dovecot", hashed)
        write(others)
        with Others(stack.server, base):
            times = [
                _one_by_hand(stack, write, [f"alone{number}at{size}@live.test", *others])
                for number in range(10)
            ]
        _spread(f"{size:,} lines, written by hand", times)
        print(f"  → ours takes {statistics.median(our_times) - statistics.median(times):+.2f} s more (p50)")
    print()


def _write_by_hand(engine: Engine, container: str, hashed: str, addresses: Sequence[str]) -> None:
    file = recipe.UsersFile(render.users(_snapshot(addresses, hashed)))
    recipe.write_users(engine, container, file, recipe.ANY)


def _one_by_hand(stack: MailStack, write: Callable[[Sequence[str]], None], addresses: Sequence[str]) -> float:
    time.sleep(random.random())
    writing = threading.Thread(target=write, args=[addresses])
    started = time.monotonic()
    writing.start()
    inside = wait_until_in(stack.server, Login(addresses[0], _PASSWORD))
    writing.join()
    return inside - started


# --- push --------------------------------------------------------------------------------------------------
def _pushing(engine: Engine, dovecot: str, postfix: str) -> None:
    print(
        "A push of one changed mailbox beside a bare `docker exec true`, both by our engine (median)",
        flush=True,
    )
    hashed = passwords.hash_password(_PASSWORD)
    lines = []
    for size, times in ((BASE, 21), (1000, 21), (MANY, 21), (MORE, 11)):
        addresses = [f"user{number:06d}@many.test" for number in range(size)]
        snapshot = _snapshot(addresses, hashed)
        rendering = _milliseconds(partial(render.users, snapshot))
        tables = {"tables": parts.bundle(snapshot, ("", ""))["tables"]}
        pair = [render.users(_snapshot(addresses, hashed, quota)) for quota in (100, 200)]
        bare, users, whole = _in_turn(
            times,
            partial(engine.check, dovecot, ["true"]),
            partial(_push_one_change, engine, dovecot, pair),
            partial(_push_whole, engine, dovecot, pair),
            before=partial(engine.check, dovecot, ["touch", "-d", "1 minute ago", "/etc/dovecot/users"]),
        )
        (bundle,) = _in_turn(5, partial(recipe.write_bundle, engine, postfix, 1, recipe.ANY, tables))
        print(
            f"  {size:7,} lines: bare exec {bare:6.1f} ms   users {users:6.1f} ms   the whole file {whole:6.1f} ms"
            f"   tables {bundle:6.1f} ms   (rendering users {rendering:.1f} ms)"
        )
        lines.append((size, users, bare))
    for size, users, bare in lines:
        ratio(
            f"users file of {size:,} lines, of a bare exec",
            users,
            bare,
            1.3 if size <= MANY else 2,
            most=True,
        )
    print()


def _push_one_change(engine: Engine, dovecot: str, pair: list[bytes]) -> None:
    """Pushes the second version onto the first, and then the other way round."""
    old, new = pair
    recipe.write_users(engine, dovecot, recipe.UsersFile(new, old=old), recipe.ANY)
    pair.reverse()


def _push_whole(engine: Engine, dovecot: str, pair: list[bytes]) -> None:
    recipe.write_users(engine, dovecot, recipe.UsersFile(pair[0]), recipe.ANY)


def _snapshot(addresses: Sequence[str], hashed: str, quota_mb: int = 100) -> Snapshot:
    """Mailboxes, of which the one in the middle has that quota."""
    boxes = []
    for address in addresses:
        local, _, domain = address.partition("@")
        quota = quota_mb if address == addresses[len(addresses) // 2] else 100
        boxes.append(MailboxEntry(address, f"{domain}/{local}", hashed, quota_mb=quota))
    domains = sorted({address.partition("@")[2] for address in addresses})
    return Snapshot(1, tuple(DomainEntry(name) for name in domains), tuple(boxes))


def _in_turn(times: int, *works: Callable[[], object], before: Callable[[], object] = bool) -> list[float]:
    """The median milliseconds of each work, round after round; ``before`` runs before each round, not measured."""
    rounds = []
    for _ in range(times + 1):
        before()
        rounds.append([_milliseconds(work) for work in works])
    del rounds[0]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


# --- import ------------------------------------------------------------------------------------------------
def _importing(stack: MailStack, client: docker.DockerClient) -> None:
    print(f"Import of {IMPORTED:,} mailboxes into {MANY:,}")
    before = _hashes_a_second()
    lines = [f"imported{number}@live.test,correct horse battery {number}\r\n" for number in range(IMPORTED)]
    body = "".join(["address,password\r\n", *lines]).encode()
    with _pushes(client, f"{stack.project}-dovecot") as pushes:
        started = time.monotonic()
        status, answer = stack.exchange(
            "POST", "/api/mail/mailboxes/import", body, **{"Content-Type": "text/csv"}
        )
        assert status == 202, answer
        path = f"/api/mail/mailboxes/import/{json.loads(answer)['id']}"
        _wait(lambda: stack.get(path)[1]["state"] != "running")
        seconds = time.monotonic() - started
        assert stack.get(path)[1]["state"] == "done", stack.get(path)
        _wait(stack.synced)
        live = time.monotonic() - started
    hashes = (before + _hashes_a_second()) / 2
    rate = IMPORTED / seconds
    print(f"  argon2 on {CORES} cores, nothing else      {hashes:8.1f} /s")
    print(f"  import, until the rows are there   {rate:8.1f} /s   (live after {live:.1f} s)")
    ratio("import, of the hash rate", rate, hashes, 0.8)
    bound("pushes of the users file", len(pushes), 1, "")
    print()


def _hashes_a_second(count: int = 150) -> float:
    with ThreadPoolExecutor(CORES) as pool:
        started = time.monotonic()
        list(pool.map(passwords.hash_password, [f"password {number}" for number in range(count)]))
        return count / (time.monotonic() - started)


@contextlib.contextmanager
def _pushes(client: docker.DockerClient, container: str) -> Iterator[list[str]]:
    """Every write of the users file while the context lasts, from the Engine's events."""
    writes: list[str] = []
    events = client.events(decode=True, filters={"container": container, "event": "exec_create"})

    def watch() -> None:
        with contextlib.suppress(Exception):  # the stream is closed while it waits
            writes.extend(event["Action"][:40] for event in events if "write_users.pl" in event["Action"])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield writes
    time.sleep(0.5)
    events.close()
    thread.join(10)


# --- the API -----------------------------------------------------------------------------------------------
def _creating(console: Console) -> None:
    print("POST of a mailbox, its password hashed (median)", flush=True)
    best: dict[int, dict[str, float]] = {}
    for size in (BASE, MANY):
        _subject(console, "fill", str(size))
        runs = [_subject(console, "create", console.key, "40") for _ in range(2)]
        run = best[size] = min(runs, key=itemgetter("ms"))
        print(
            f"  at {size:6,}: {run['ms']:6.1f} ms, {run['queries']:.0f} queries "
            f"and {run['bounds']:.0f} that begin or end a transaction"
        )
    bound("queries", max(run["queries"] + run["bounds"] for run in best.values()), 15, "")
    ratio(f"at {MANY:,}, of at {BASE}", best[MANY]["ms"], best[BASE]["ms"], 1.2, most=True)
    print()


def _listing(console: Console) -> None:
    print("A page of 50 mailboxes, beside the same list by DRF alone (median)", flush=True)
    for size in (MANY, MORE):
        _subject(console, "fill", str(size))
        pages = _subject(console, "listing", console.key, "30")
        for number, page in pages.items():
            print(
                f"  of {size:,}, page {number:>4}: ours {page['ms']:6.1f} ms, {page['queries']:.0f} queries;"
                f" DRF alone {page['bare_ms']:6.1f} ms"
            )
        first = pages["1"]
        ratio(f"first page of {size:,}, of DRF alone", first["ms"], first["bare_ms"], 1.5, most=True)
        bound("kinds of pages by number of queries", len({page["queries"] for page in pages.values()}), 1, "")
    print()


# --- what they share ---------------------------------------------------------------------------------------
def _subject(console: Console, name: str, *arguments: str) -> Any:
    done = console.run("-m", "bench.mailboxsubjects", name, *arguments)
    if done.returncode:
        sys.exit(done.stderr.decode()[-3000:])
    return json.loads(done.stdout)


def _wait(true: Callable[[], bool], seconds: float = 240) -> None:
    """Waits until it is true, and polls rarely, because the measured code needs the processors."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.25)


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[18]


def _spread(what: str, seconds: Sequence[float], more: str = "") -> None:
    print(
        f"  {what:34} p50 {statistics.median(seconds):.2f} s   p95 {_p95(seconds):.2f} s"
        f"   longest {max(seconds):.2f} s   {more}".rstrip(),
        flush=True,
    )
