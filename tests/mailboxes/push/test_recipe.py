"""The write recipe on real containers: whole or not at all, one of many, and nothing left behind."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from mailboxes.engine.client import Engine
from mailboxes.push import recipe
from mailboxes.push.parts import PartFile
from mailboxes.stack.blueprint.services import Options, build
from quazzar.errors import CommandFailed, EngineUnreachable, StackError, StaleGeneration
from tests.cutting import CuttingEngine
from tests.mailboxes.trials import case
from tests.rig import wait_until
from tests.rig.standins import fetch, said
from tests.tiers import some

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

    from tests.rig.images import Images

pytestmark = pytest.mark.real
TABLES = ("domains", "mailboxes", "aliases", "senders")
HASH = "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$" + "A" * 66
FRESH = "fresh%d@example.com:{CRYPT}*::::/srv/vmail/example.com/fresh::"
#: What a file of ours may leave in a volume: the locks, which stay.
LOCKS = {".quazzar.lock.users", ".quazzar.lock.bundle"}


def users(generation: int, count: int = 20, mark: str = "a") -> bytes:
    rows = (
        f"user{number}@example.com:{HASH}{mark}::::/srv/vmail/example.com/user{number}::\n"
        for number in range(count)
    )
    return f"# quazzar generation {generation}\n{''.join(rows)}".encode()


def bundle(generation: int, count: int = 20) -> dict[str, list[PartFile]]:
    """Every part, with the generation in each file."""
    rows = "".join(f"row{number}@example.com {generation}\n" for number in range(count)).encode()
    mark = f"{generation}\n".encode()
    return {
        "dkim": [
            PartFile(f"dkim/keys/example.com.s{generation % 2}", mark, 0o600),
            PartFile("dkim/domains/example.com", mark),
        ],
        "tls": [PartFile("tls/tls.key", mark, 0o600), PartFile("tls/tls.crt", mark, 0o644)],
        "tables": [
            *(PartFile(f"postfix/{name}", rows) for name in TABLES),
            *(PartFile(f"rspamd/{name}.map", mark, 0o644) for name in ("domains", "mailboxes")),
        ],
        "relay": [
            PartFile("postfix/sasl_passwd", rows, 0o600),
            PartFile("postfix/tls_policy", rows),
            PartFile("postfix/relayhost", b"[relay.test]:%d\n" % generation),
            PartFile("postfix/relay_wrappermode", b"no\n"),
        ],
    }


@dataclass(frozen=True)
class Pair:
    """The two containers that are written in, without their daemons."""

    engine: Engine
    dovecot: Container
    postfix: Container

    def write(self, what: str, new: int, expected: int | str, engine: Engine | None = None) -> None:
        if what == "users":
            file = recipe.UsersFile(users(new), [("0a", FRESH % new)])
            recipe.write_users(engine or self.engine, str(self.dovecot.name), file, expected)
        else:
            recipe.write_bundle(engine or self.engine, str(self.postfix.name), new, expected, bundle(new))

    def generation(self, what: str) -> str:
        path = "/etc/dovecot/users" if what == "users" else "/etc/dovecot/postfix/generation"
        return said(self.dovecot, "head", "-n", "1", path)[1].strip().removeprefix("# quazzar generation ")

    def left(self) -> set[str]:
        """Temporary files of ours, in both volumes."""
        places = ("/mail-config", "/mail-dkim")
        names = (name for place in places for name in said(self.postfix, "ls", "-A", place)[1].split())
        return {name for name in names if name.startswith(".quazzar")} - LOCKS

    def rows(self, table: str) -> str:
        """A table as Postfix looks it up, sorted; it must open."""
        for _ in range(5):
            code, text = said(self.postfix, "postmap", "-s", f"lmdb:/mail-config/postfix/{table}")
            assert code == 0, text
            if text:
                break  # of a container that was just started the Engine sometimes loses what a command said
        return "".join(sorted(text.splitlines(keepends=True)))


@pytest.fixture(scope="module")
def pair(
    docker_client: docker.DockerClient, stack_images: Images, shared_stack_project: str
) -> Iterator[Pair]:
    images = {"postfix": stack_images.postfix, "dovecot": stack_images.dovecot, "rspamd": stack_images.rspamd}
    wanted = build(Options(shared_stack_project, "mail.example.com", "127.0.0.1", 0, images))
    with Engine() as engine:
        engine.ensure_network(wanted.network, dict(wanted.labels))
        for name in ("dovecot", "postfix"):
            asleep = replace(
                wanted.service(name), command=("sleep", "infinity"), ports=(), healthcheck=None, stop_grace=0
            )
            engine.create(asleep)
            engine.start(asleep.name)
        running = (docker_client.containers.get(wanted.service(name).name) for name in ("dovecot", "postfix"))
        pair = Pair(engine, *running)
        assert (
            said(pair.postfix, "mkdir", "-p", *(f"/mail-config/{name}" for name in ("rspamd", "tls")))[0] == 0
        )
        # No Postfix runs here, and to find that out would take each reload a second.
        assert said(pair.postfix, "ln", "-sf", "/bin/true", "/usr/sbin/postfix")[0] == 0
        yield pair


@pytest.fixture(params=["users", "bundle"])
def what(request: pytest.FixtureRequest, pair: Pair) -> str:
    """What is written; generation 10 is in force."""
    pair.write(request.param, 10, recipe.ANY)
    return str(request.param)


# --- generations -------------------------------------------------------------------------------------------
def test_whoever_expects_the_generation_in_force_replaces_it(pair: Pair, what: str) -> None:
    pair.write(what, 11, 10)
    assert pair.generation(what) == "11"
    assert not pair.left()


def test_a_writer_with_an_older_snapshot_is_told_and_changes_nothing(pair: Pair, what: str) -> None:
    pair.write(what, 12, 10)
    before = contents(pair)
    with pytest.raises(StaleGeneration):
        pair.write(what, 11, 10)
    assert contents(pair) == before
    assert not pair.left()


def test_of_eight_writers_at_once_exactly_one_wins(pair: Pair, what: str) -> None:
    won = at_once(8, lambda number: pair.write(what, 20 + number, 10))
    assert len(won) == 1
    assert pair.generation(what) == str(20 + won[0])
    assert not pair.left()


def at_once(count: int, write: Callable[[int], None]) -> list[int]:
    """The numbers of those whose write was not refused as stale."""
    ready = threading.Barrier(count)

    def attempt(number: int) -> bool:
        ready.wait()
        try:
            write(number)
        except StaleGeneration:
            return False
        return True

    with ThreadPoolExecutor(count) as pool:
        return [number for number, won in enumerate(pool.map(attempt, range(count))) if won]


def test_a_writer_waits_for_the_lock_and_gives_up_after_a_while(
    pair: Pair, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_the_lock(pair, what)
    script = recipe._script
    with monkeypatch.context() as impatient, pytest.raises(CommandFailed) as refused:
        patience = {"flock -w 10": "flock -w 0.1", "alarm 10": "alarm 1"}
        impatient.setattr(recipe, "_script", lambda name: replaced(script(name), patience))
        pair.write(what, 11, 10)
    assert (refused.value.exit_code, refused.value.code) == (75, "push_locked")
    assert pair.generation(what) == "10"
    pair.write(what, 11, 10)
    assert pair.generation(what) == "11"


def replaced(text: str, words: dict[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text


def hold_the_lock(pair: Pair, what: str) -> None:
    """Another process holds the lock for the next three seconds."""
    script = f"exec 9>/mail-config/.quazzar.lock.{what}; flock 9; touch /tmp/held; exec sleep 3"
    pair.postfix.exec_run(["bash", "-c", script], detach=True)
    wait_until(lambda: said(pair.postfix, "rm", "/tmp/held")[0] == 0, 10, "the lock")


# --- what arrives ------------------------------------------------------------------------------------------
def test_the_users_file_is_dovecots_to_read_and_nobody_elses(pair: Pair) -> None:
    pair.write("users", 10, recipe.ANY)
    assert said(pair.dovecot, "stat", "-c", "%a %U %G", "/etc/dovecot/users")[1].split() == [
        "640",
        "root",
        "dovecot",
    ]


def test_two_users_files_of_one_size_differ_in_their_second(pair: Pair) -> None:
    seconds = set()
    for generation, mark in enumerate("abcd", start=10):
        file = recipe.UsersFile(users(generation, mark=mark))
        recipe.write_users(pair.engine, str(pair.dovecot.name), file, recipe.ANY)
        seconds.add(said(pair.dovecot, "stat", "-c", "%s %Y", "/etc/dovecot/users")[1])
    assert len(seconds) == 4


@pytest.mark.parametrize("processor", ["this", "another"])
@pytest.mark.parametrize("where", ["front", "middle", "end", "both ends", "longer", "shorter", "generation"])
def test_of_a_long_file_the_difference_is_enough(
    pair: Pair, where: str, processor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if processor == "another":  # whose numbers of system calls the script does not know
        script = recipe._script
        monkeypatch.setattr(
            recipe, "_script", lambda name: replaced(script(name), {"62 =>": "0 =>", "183 =>": "1 =>"})
        )
    old = users(100, 2000)
    lines = old.splitlines(keepends=True)
    other = f"zoe@example.com:{HASH}b::::/srv/vmail/example.com/zoe::\n".encode()
    changed = {
        "front": [lines[0], other, *lines[2:]],
        "middle": [*lines[:900], other, *lines[900:]],
        "end": [*lines, other],
        "both ends": [lines[0], other, *lines[2:-1], other],
        "longer": [*lines, *users(1, 1000, "c").splitlines(keepends=True)[1:]],
        "shorter": [*lines[:600], *lines[900:]],
        "generation": lines,
    }[where]
    new = b"# quazzar generation 7\n" + b"".join(changed[1:])
    name = str(pair.dovecot.name)
    recipe.write_users(pair.engine, name, recipe.UsersFile(old), recipe.ANY)
    recipe.write_users(pair.engine, name, recipe.UsersFile(new, old=old), 100)
    assert fetch(pair.dovecot, "/etc/dovecot/users") == {"users": new}
    assert not pair.left()


def test_a_file_that_was_changed_by_hand_is_replaced_as_a_whole(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    name = str(pair.dovecot.name)
    old, new = users(100, 2000), users(101, 2001)
    recipe.write_users(pair.engine, name, recipe.UsersFile(old), recipe.ANY)
    for by_hand in ("sed -i s/user7@/user8@/ users", "truncate -s 5000 users", "rm users"):
        caplog.clear()
        said(pair.dovecot, "bash", "-c", f"cd /etc/dovecot; {by_hand}")
        recipe.write_users(pair.engine, name, recipe.UsersFile(new, old=old), recipe.ANY)
        assert fetch(pair.dovecot, "/etc/dovecot/users") == {"users": new}
        assert "changed by hand" in caplog.text and not pair.left()


def test_every_part_of_a_bundle_arrives_with_its_mode(pair: Pair) -> None:
    pair.write("bundle", 30, recipe.ANY)
    assert keys(pair).keys() == {"dkim/keys/example.com.s0", "dkim/domains/example.com"}
    where = "/mail-dkim/keys", "/mail-dkim/keys/example.com.s0", "/mail-dkim/domains/example.com"
    modes = said(pair.postfix, "stat", "-c", "%a %u:%g", *where)[1]
    assert modes.splitlines() == ["750 0:11333", "640 0:11333", "640 0:11333"]
    assert all(pair.rows(table).count("\t30\n") == 20 for table in (*TABLES, "sasl_passwd", "tls_policy"))
    assert said(pair.postfix, "postconf", "-h", "relayhost")[1] == "[relay.test]:30\n"
    secret = ("tls/tls.key", "postfix/sasl_passwd", "postfix/sasl_passwd.lmdb")
    modes = said(pair.postfix, "stat", "-c", "%a %U", *(f"/mail-config/{name}" for name in secret))[1]
    assert modes.splitlines() == ["600 root"] * 3


def test_a_key_that_no_row_names_any_more_goes_with_the_bundle(pair: Pair) -> None:
    for generation in (30, 31):
        pair.write("bundle", generation, recipe.ANY)
    assert keys(pair).keys() == {"dkim/keys/example.com.s1", "dkim/domains/example.com"}


# --- connections and containers that end in the middle ---------------------------------------------------------
@pytest.mark.long
def test_a_cut_connection_leaves_the_old_one_in_force(pair: Pair, what: str) -> None:
    for after in some((0, 3, 71, 72, 500, -1), 4):
        before = contents(pair)
        new, old = after + 1000, pair.generation(what)
        with case(after), CuttingEngine(after) as engine:
            with pytest.raises(EngineUnreachable):
                pair.write(what, new, int(old), engine)
            # On a busy machine the script that lost its writer may only now begin, with a temporary file for a moment.
            wait_until_contents_are(pair, before)
            pair.write(what, new, int(old))
            assert pair.generation(what) == str(new)
            assert not pair.left()


def wait_until_contents_are(pair: Pair, expected: object) -> None:
    wait_until(lambda: contents(pair) == expected, 10, "the old files")


def kill_during(container: Container, seconds: float, write: Callable[..., None], *args: object) -> None:
    """Kill the container so many seconds after a write began, and start it again."""
    writing = threading.Thread(target=write, args=args)
    writing.start()
    writing.join(seconds)
    container.kill()
    writing.join()
    container.start()


@pytest.mark.long
def test_a_container_killed_in_the_middle_of_a_write_has_each_file_whole(pair: Pair) -> None:
    chance = random.Random(7)
    pair.write("bundle", 10, recipe.ANY)
    for generation in some(range(11, 19), 4):
        kill_during(pair.postfix, chance.uniform(0.05, 0.4), interrupted, pair, generation)
        assert_whole(pair, range(10, generation + 1))
    pair.write("bundle", 19, recipe.ANY)
    assert_whole(pair, [19])
    assert not pair.left()


@pytest.mark.long
def test_a_container_killed_in_the_middle_of_a_write_has_a_whole_users_file(pair: Pair) -> None:
    chance = random.Random(11)
    versions = [users(generation, 3000) for generation in range(100, 110)]
    name = str(pair.dovecot.name)
    recipe.write_users(pair.engine, name, recipe.UsersFile(versions[0]), recipe.ANY)
    for new in some(versions[1:], 5):
        old = fetch(pair.dovecot, "/etc/dovecot/users")["users"]
        file = recipe.UsersFile(new, [("0a", FRESH % 1)], old=old if chance.random() < 0.5 else b"")
        kill_during(pair.dovecot, chance.uniform(0.03, 0.15), interrupted_users, pair, file)
        assert fetch(pair.dovecot, "/etc/dovecot/users")["users"] in (old, new)
    recipe.write_users(pair.engine, name, recipe.UsersFile(versions[0]), recipe.ANY)
    assert not pair.left()


def interrupted(pair: Pair, generation: int) -> None:
    with contextlib.suppress(StackError):
        pair.write("bundle", generation, recipe.ANY)


def interrupted_users(pair: Pair, file: recipe.UsersFile) -> None:
    with contextlib.suppress(StackError):
        recipe.write_users(pair.engine, str(pair.dovecot.name), file, recipe.ANY)


def contents(pair: Pair) -> dict[str, bytes]:
    """Every file of both volumes, once a writer that was cut off has tidied up."""
    wait_until(lambda: not pair.left(), 10, "the end of what was cut off")
    config = {f"config/{name}": data for name, data in fetch(pair.postfix, "/mail-config").items()}
    return {**config, **keys(pair)}


def keys(pair: Pair) -> dict[str, bytes]:
    return {
        f"dkim/{directory}/{name}": data
        for directory in ("keys", "domains")
        for name, data in fetch(pair.postfix, f"/mail-dkim/{directory}").items()
    }


def assert_whole(pair: Pair, generations: Sequence[int]) -> None:
    """Each file is of one of these generations, from its first byte to its last; so is each table."""
    wanted = [file for generation in generations for files in bundle(generation).values() for file in files]
    present = keys(pair) | files_of(pair, "postfix") | files_of(pair, "tls") | files_of(pair, "rspamd")
    for path in {file.path for file in wanted if "/keys/" not in file.path}:
        assert present[path] in [file.data for file in wanted if file.path == path], path
    assert {path for path in present if "/keys/" in path} <= {file.path for file in wanted}
    for table in TABLES:
        assert pair.rows(table) in [looked_up(generation) for generation in generations], table


def files_of(pair: Pair, directory: str) -> dict[str, bytes]:
    files = fetch(pair.postfix, f"/mail-config/{directory}")
    return {f"{directory}/{name}": data for name, data in files.items()}


def looked_up(generation: int) -> str:
    """As ``postmap -s`` shows a table of that generation."""
    return "".join(sorted(f"row{number}@example.com\t{generation}\n" for number in range(20)))
