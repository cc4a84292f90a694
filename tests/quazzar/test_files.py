"""Reading a file that a caller named: what is allowed is read, and nothing else is even opened."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from quazzar.files import Refused, read_named_file


class Places(NamedTuple):
    certificates: Path
    data: Path
    elsewhere: Path


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(tmp_path / "certificates", tmp_path / "data", tmp_path / "elsewhere")
    for folder in made:
        folder.mkdir()
    (made.certificates / "live").mkdir()
    (made.certificates / "live" / "fullchain.pem").write_bytes(b"PEM")
    (made.data / "quazzar.sqlite3").write_bytes(b"SQLite")
    (made.elsewhere / "secret").write_bytes(b"secret")
    return made


def read(places: Places, path: object, *, limit: int = 1024) -> bytes:
    return read_named_file(str(path), allowed=[places.certificates], private=[places.data], limit=limit)


def refusal(places: Places, path: object, *, limit: int = 1024) -> str:
    with pytest.raises(Refused) as caught:
        read(places, path, limit=limit)
    return str(caught.value)


# --- what is read --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "spelling", ["live/fullchain.pem", "live/../live/./fullchain.pem", "live//fullchain.pem"]
)
def test_a_file_in_an_allowed_directory_is_read(places: Places, spelling: str) -> None:
    assert read(places, f"{places.certificates}/{spelling}") == b"PEM"


def test_a_link_to_another_allowed_place_is_followed_as_certbot_makes_them(places: Places) -> None:
    (places.certificates / "cert.pem").symlink_to("live/fullchain.pem")
    assert read(places, places.certificates / "cert.pem") == b"PEM"


def test_an_allowed_directory_may_itself_be_a_link(places: Places, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(places.certificates)
    allowed = [tmp_path / "link"]
    name = str(tmp_path / "link/live/fullchain.pem")
    assert read_named_file(name, allowed=allowed, private=[places.data], limit=9) == b"PEM"


# --- what is not ---------------------------------------------------------------------------------------------
def test_everything_outside_gets_the_same_sentence(places: Places) -> None:
    (places.certificates / "out").symlink_to(places.elsewhere)
    paths = [
        places.elsewhere / "secret", places.elsewhere / "not-there", places.elsewhere, "/", "/etc/shadow", "/proc/kmsg",
        "/proc/self/mem", "/dev/zero", "/dev/stdin", places.data / "quazzar.sqlite3", places.data / "nothing",
        f"{places.certificates}/../data/quazzar.sqlite3", f"{places.certificates}/out/secret",
        f"{places.certificates}-of-somebody-else/x",
    ]  # fmt: skip
    sentences = {refusal(places, path) for path in paths}
    assert len(sentences) == 1 and "only read from these directories" in sentences.pop()


def test_a_link_out_of_the_allowed_directories_is_refused(places: Places) -> None:
    (places.certificates / "cert.pem").symlink_to(places.elsewhere / "secret")
    assert "only" in refusal(places, places.certificates / "cert.pem")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "cert.pem", "../x", "~/x", "\0", "/etc/ssl/\0x", " /etc/ssl/x"])
def test_only_a_full_path_is_a_path(places: Places, name: str) -> None:
    assert "full path" in refusal(places, name)


def test_a_name_that_no_file_can_have_is_refused(places: Places) -> None:
    assert refusal(places, f"{places.certificates}/{'x' * 300}")
    assert refusal(places, f"{places.certificates}/{'x/' * 3000}")


def test_a_hard_link_to_our_database_is_refused(places: Places) -> None:
    (places.certificates / "db.pem").hardlink_to(places.data / "quazzar.sqlite3")
    assert "only" in refusal(places, places.certificates / "db.pem")


def test_our_data_is_refused_even_where_a_setting_allows_its_directory(
    places: Places, tmp_path: Path
) -> None:
    for name in ("quazzar.sqlite3", "../data/quazzar.sqlite3"):
        with pytest.raises(Refused):
            read_named_file(f"{places.data}/{name}", allowed=[tmp_path], private=[places.data], limit=9)


def test_a_database_outside_the_data_directory_is_refused_by_its_name_and_by_any_other(
    places: Places,
) -> None:
    database = places.certificates / "live" / "db.sqlite3"
    database.write_bytes(b"SQLite")
    (places.certificates / "hard.pem").hardlink_to(database)
    (places.certificates / "soft.pem").symlink_to(database)
    for name in ("live/db.sqlite3", "live/../live/db.sqlite3", "hard.pem", "soft.pem"):
        with pytest.raises(Refused, match="only"):
            read_named_file(
                f"{places.certificates}/{name}",
                allowed=[places.certificates],
                private=[places.data, database, Path(f"{database}-wal")],
                limit=9,
            )
    assert read(places, places.certificates / "live" / "fullchain.pem") == b"PEM"


def test_devices_are_refused_even_where_a_setting_allows_everything(places: Places) -> None:
    for name in ("/dev/zero", "/proc/version", "/sys/kernel/uevent_seqnum"):
        with pytest.raises(Refused):
            read_named_file(name, allowed=[Path("/")], private=[places.data], limit=9)


def test_a_fifo_a_socket_and_a_directory_are_refused_without_waiting(places: Places) -> None:
    os.mkfifo(places.certificates / "fifo")
    for name in ("fifo", "live"):
        assert "not a regular file" in refusal(places, places.certificates / name)


def test_a_file_that_is_too_large_is_refused(places: Places) -> None:
    (places.certificates / "big").write_bytes(b"x" * 11)
    assert "too large" in refusal(places, places.certificates / "big", limit=10)
    assert read(places, places.certificates / "big", limit=11) == b"x" * 11


def test_a_missing_file_in_an_allowed_directory_is_named(places: Places) -> None:
    assert "does not exist" in refusal(places, places.certificates / "gone.pem")


# --- what it is for ------------------------------------------------------------------------------------------
def test_looking_at_a_database_keeps_the_locks_that_this_process_holds_on_it(places: Places) -> None:
    """SQLite, "How to corrupt a database", 2.2: closing any descriptor of the file drops them."""
    database = places.data / "locked.sqlite3"
    connection = sqlite3.connect(database, isolation_level=None)
    connection.executescript("CREATE TABLE t (x); BEGIN EXCLUSIVE; INSERT INTO t VALUES (1);")
    (places.certificates / "db.pem").hardlink_to(database)
    for path in (database, places.certificates / "db.pem"):
        refusal(places, path)
    code = (
        "import sqlite3, sys\n"
        f"c = sqlite3.connect({str(database)!r}, timeout=0)\n"
        "try: c.execute('SELECT * FROM t').fetchall()\n"
        "except sqlite3.OperationalError: sys.exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7
    connection.close()
