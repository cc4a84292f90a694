"""Folders of containers as tar streams, on the engine in memory and on the real one."""

from __future__ import annotations

import io
import tarfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from mailboxes.engine.values import PutFile
from mailboxes.volumes.streams import packed, unpacked
from quazzar.errors import NotThere
from tests.quazzar.nodes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.mailboxes.engine.worlds import RealWorld, World

FILES = [
    PutFile("/data/a/1", b"one", 0o600, 1000, 1001),
    PutFile("/data/a/big", b"x" * 3_000_000, 0o640, 5, 6),
    PutFile("/data/b", b"", 0o644),
]


def test_a_folder_is_read_and_written_with_owners_and_modes_by_a_container_that_does_not_run(
    world: World,
) -> None:
    name = world.created()
    world.engine.put(name, FILES)
    found = {
        info.name: (info, content.read())
        for info, content in unpacked(world.engine.read_folder(name, "/data"))
    }
    assert {path for path, (info, _) in found.items() if info.isreg()} == {"data/a/1", "data/a/big", "data/b"}
    info, content = found["data/a/big"]
    assert (info.mode & 0o777, info.uid, info.gid, content) == (0o640, 5, 6, b"x" * 3_000_000)
    below = [(info.name, content) for info, content in unpacked(world.engine.read_folder(name, "/data/a"))]
    assert {path for path, _ in below} >= {"a/1", "a/big"}

    def renamed() -> Iterator[tuple[tarfile.TarInfo, Any]]:
        for info, content in unpacked(world.engine.read_folder(name, "/data")):
            if info.isreg():
                info.name = info.name.replace("data/", "copy-")
                yield info, content

    world.engine.write_folder(name, "/data", packed(kept(renamed())))
    copied = {info.name: info for info, _ in unpacked(world.engine.read_folder(name, "/data"))}
    assert {"data/copy-a/1", "data/copy-a/big", "data/copy-b"} <= copied.keys()
    assert (copied["data/copy-a/1"].uid, copied["data/copy-a/1"].mode & 0o777) == (1000, 0o600)


def kept(members: Iterable[tuple[tarfile.TarInfo, Any]]) -> list[tuple[tarfile.TarInfo, Any]]:
    """All at once, because a folder that is written while it is read has no end."""
    return [(info, io.BytesIO(content.read())) for info, content in members]


def test_a_folder_or_container_that_is_not_there_is_said(world: World) -> None:
    with pytest.raises(NotThere):
        list(world.engine.read_folder("qz-test-no-such-container", "/data"))
    name = world.created()
    with pytest.raises(NotThere):
        list(world.engine.read_folder(name, "/data/nothing"))


@pytest.mark.real
def test_nothing_moves_in_a_paused_container_and_it_goes_on_whatever_happens(real_world: RealWorld) -> None:
    name, engine = real_world.running(), real_world.engine
    with pytest.raises(ZeroDivisionError), engine.paused(name):
        assert engine.containers(real_world.project)["postfix"].status == "paused"
        raise ZeroDivisionError
    assert engine.containers(real_world.project)["postfix"].status == "running"
    engine.stop(name, 1)
    with engine.paused(name), engine.paused("qz-test-no-such-container"):
        pass
    assert engine.containers(real_world.project)["postfix"].status == "exited"


@pytest.mark.real
def test_hard_links_and_links_are_kept(real_world: RealWorld) -> None:
    name, engine = real_world.running(), real_world.engine
    engine.check(
        name, ["sh", "-c", "cd /data && echo x >1 && ln 1 2 && ln -s 1 3 && mkdir 4 && touch -d @5 4"]
    )
    read = {info.name: info for info, _ in unpacked(engine.read_folder(name, "/data"))}
    assert read["data/2"].islnk() and read["data/2"].linkname == "data/1"
    assert read["data/3"].issym() and read["data/3"].linkname == "1"

    def below() -> Iterator[tuple[tarfile.TarInfo, Any]]:
        for info, content in unpacked(engine.read_folder(name, "/data")):
            info.name = f"again/{info.name}"
            info.linkname = f"again/{info.linkname}" if info.islnk() else info.linkname
            yield info, content

    engine.write_folder(name, "/data", packed(kept(below())))
    told = engine.check(name, ["sh", "-c", "cd /data/again/data && stat -c '%h %F' 1 2 3 && stat -c %Y 4"])
    assert told.stdout.decode().split("\n")[:4] == [
        "2 regular file",
        "2 regular file",
        "1 symbolic link",
        "5",
    ]


#: Mail comes, moves and goes, as in a Maildir; indexes grow, and are replaced by shorter ones under their names.
_LIVELY = """
cd /data; mkdir -p new cur index
for n in $(seq 200); do head -c 30000 /dev/zero >cur/kept.$n; done
touch ready
while :; do
  for n in 1 2 3 4 5 6 7 8 9; do
    head -c 200000 /dev/zero >new/$n; mv new/$n cur/$n; head -c 50000 /dev/zero >>index/log
    rm cur/$n
  done
  head -c 10 /dev/zero >index/next; mv index/next index/log
done
"""


@pytest.mark.real
def test_a_folder_that_changes_all_the_time_is_read_whole(real_world: RealWorld) -> None:
    name = real_world.running(real_world.spec(command=("bash", "-c", _LIVELY)))
    engine = real_world.engine
    wait_until(lambda: not engine.run(name, ["test", "-e", "/data/ready"]).exit_code, "the mail is there")
    whole = 0
    for _ in range(10):
        # Docker announces a file before it opens it. If that very file is moved in between, the stream is cut off.
        with suppress(tarfile.ReadError):
            sizes = {
                info.name: len(content.read())
                for info, content in unpacked(engine.read_folder(name, "/data"))
                if info.isreg()
            }
            whole += 1
        kept = [size for path, size in sizes.items() if "kept" in path]
        assert (len(kept), set(kept)) == (200, {30000})
    assert whole > 5
    engine.stop(name, 0)
