"""Room on the disk of the mail: what df says, and what it means."""

from __future__ import annotations

import pytest

from mailboxes.quota.room import Room, parse

HEAD = "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
FILES = "Filesystem Inodes IUsed IFree IUse% Mounted on\n"
GIB = 1024**3


@pytest.mark.parametrize(
    ("output", "room"),
    [
        (f"{HEAD}/dev/sda1 100 40 60 40% /srv/vmail\n{FILES}/dev/sda1 10 4 6 40% /srv/vmail\n",
         Room(100 * 1024, 60 * 1024, 10, 6)),
        # Btrfs and some network file systems have no number of files.
        (f"{HEAD}x 100 40 60 40% /a b\n{FILES}x 0 0 0 - /a b\n", Room(100 * 1024, 60 * 1024, 0, 0)),
        (f"{HEAD}x 100 40 60 40% /m\n{FILES}x - - - - /m\n", Room(100 * 1024, 60 * 1024, 0, 0)),
        ("", None),
        ("df: /srv/vmail: No such file or directory\n", None),
        (f"{HEAD}x - - - - /m\n{FILES}x 1 1 1 - /m\n", None),
        (HEAD, None),
    ],
)  # fmt: skip
def test_df_is_read(output: str, room: Room | None) -> None:
    assert parse(output) == room


@pytest.mark.parametrize(
    ("total", "free", "files", "free_files", "state"),
    [
        (100 * GIB, 6 * GIB, 1000, 500, "ok"),
        (100 * GIB, 4 * GIB, 1000, 500, "low"),
        (100 * GIB, 400 * 1024**2, 1000, 500, "full"),
        (20_000 * GIB, 51 * GIB, 1000, 500, "ok"),
        (20_000 * GIB, 49 * GIB, 1000, 500, "low"),
        (10 * GIB, 1 * GIB, 1000, 500, "low"),
        (100 * GIB, 50 * GIB, 1000, 49, "low"),
        (100 * GIB, 50 * GIB, 1000, 9, "full"),
        (100 * GIB, 50 * GIB, 0, 0, "ok"),
    ],
)
def test_how_full_it_is(total: int, free: int, files: int, free_files: int, state: str) -> None:
    assert Room(total, free, files, free_files).state == state
