"""Rotation: everything ends under one new key, whoever writes meanwhile and whenever it is killed."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from mailrelay.models import Message, RelaySettings
from quazzar import keyring, rotation, sealedcolumns, sealing
from quazzar.errors import SealError
from quazzar.rotation import rotate
from quazzar.sealedcolumns import SealedColumn, sealed_columns
from quazzar.sealing import KeyRing
from tests.quazzar.sealedrows import SECRET, lose_key, opened, store, stored
from tests.quazzar.sealingnode import ROWS, Node
from tests.rig import or_skip
from tests.rig.services import Postgres


@pytest.fixture(autouse=True)
def key_file(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"
    monkeypatch.setattr(rotation, "SETTLE_SECONDS", 0)
    return tmp_path / "secrets.key"


@pytest.fixture
def relay(db: None) -> RelaySettings:
    return RelaySettings.objects.create(pk=1, password=SECRET)


def body_column() -> SealedColumn:
    return next(column for column in sealed_columns() if column.label == "mailrelay.Message.body")


def command() -> str:
    out = io.StringIO()
    call_command("rotate_key", stdout=out)
    return out.getvalue()


def test_everything_ends_under_one_new_key(relay: RelaySettings) -> None:
    Message.objects.bulk_create([Message(body=b"mail"), Message(body=None)])
    old = keyring.current()
    result = rotate()
    assert result.resealed == {"mailrelay.RelaySettings.password": 1, "mailrelay.Message.body": 1}
    assert (result.dropped, result.kept, result.unreadable, result.resumed) == (1, 0, 0, False)
    assert set(keyring.current().keys).isdisjoint(old.keys)
    assert [opened(row) for row in Message.objects.order_by("id")] == [b"mail", None]
    assert opened(RelaySettings.load()) == SECRET


def test_what_the_old_key_opened_it_opens_no_more(relay: RelaySettings) -> None:
    old = keyring.current()
    rotate()
    keyring.replace(keyring.path(), old)
    assert RelaySettings.load().password_state == "unreadable"


@pytest.mark.django_db
def test_an_empty_node_gets_a_new_key_too() -> None:
    old = keyring.current()
    assert rotate().resealed.total() == 0
    assert set(keyring.current().keys).isdisjoint(old.keys)


def test_the_command_says_what_it_did_and_no_secret(relay: RelaySettings) -> None:
    output = command()
    assert "mailrelay.RelaySettings.password: 1 re-sealed" in output
    assert "1 secrets re-sealed in" in output
    assert "1 old keys dropped" in output
    assert SECRET not in output


def test_it_works_in_batches_of_rows_and_of_bytes(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    Message.objects.bulk_create([Message(body=bytes([n]) * 100 * n) for n in range(9)])
    monkeypatch.setattr(sealedcolumns, "BATCH_ROWS", 4)
    monkeypatch.setattr(sealedcolumns, "BATCH_BYTES", 1000)
    assert [len(batch) for batch in body_column().batches()] == [4, 2, 1, 1, 1]
    assert rotate().resealed.total() == 9
    assert [opened(row) for row in Message.objects.order_by("id")] == [bytes([n]) * 100 * n for n in range(9)]


# --- what does not open


def test_an_unreadable_secret_is_left_alone_and_counted(relay: RelaySettings) -> None:
    before = stored()
    lost = lose_key()
    result = rotate()
    assert (result.unreadable, result.resealed.total(), result.kept) == (1, 0, 0)
    assert stored() == before
    keyring.replace(keyring.path(), lost)
    assert opened(RelaySettings.load()) == SECRET


def test_the_key_of_a_damaged_secret_stays_and_the_next_rotation_is_a_new_one(relay: RelaySettings) -> None:
    [blob] = stored()
    assert blob is not None
    store(blob[:-1] + bytes([blob[-1] ^ 1]))
    Message.objects.create(body=b"fine")
    first = rotate()
    assert (first.kept, first.dropped, first.unreadable) == (1, 0, 1)
    second = rotate()
    assert (second.resumed, second.kept, second.dropped, second.resealed.total()) == (False, 1, 1, 1)
    assert opened(Message.objects.get()) == b"fine"
    store(blob)  # as from a backup
    assert opened(RelaySettings.load()) == SECRET


def test_the_command_points_at_what_does_not_open(relay: RelaySettings) -> None:
    lose_key()
    assert "1 secrets open with no key and were left alone; see check_seals." in command()


# --- unfinished, and side by side


def test_an_unfinished_rotation_is_finished_without_another_key(relay: RelaySettings) -> None:
    ring = keyring.current().with_new_key()
    keyring.replace(keyring.path(), ring)
    Message.objects.create(body=b"already new")
    output = command()
    assert "Finished an earlier rotation" in output
    assert keyring.current().keys == ring.keys[:1]
    assert opened(RelaySettings.load()) == SECRET


def test_two_rotations_do_not_run_together(relay: RelaySettings) -> None:
    before = keyring.current().keys
    with rotation._alone(), pytest.raises(SealError, match="Another rotation is running") as caught:
        rotate()
    assert caught.value.code == "rotation_running"
    assert keyring.current().keys == before
    with rotation._alone(), pytest.raises(CommandError, match="Wait until it has finished"):
        command()


def test_a_bad_key_file_stops_it_before_anything_changes(relay: RelaySettings, key_file: Path) -> None:
    before = stored()
    key_file.chmod(0o644)
    with pytest.raises(CommandError, match="chmod 600"):
        command()
    assert stored() == before


def meanwhile(monkeypatch: pytest.MonkeyPatch, name: str, number: int, act: Callable[[], object]) -> None:
    """Act once, right before the given call of this method of a column."""
    calls = []
    original = getattr(SealedColumn, name)

    def spied(self: SealedColumn, *args: object) -> object:
        calls.append(self)
        if len(calls) == number:
            act()
        return original(self, *args)

    monkeypatch.setattr(SealedColumn, name, spied)


def late_writer(ring: KeyRing) -> Callable[[], object]:
    blob = sealing.seal(b"late", "mailrelay.relay.password", ring)
    return lambda: store(blob)


@pytest.mark.parametrize("call", range(1, 7))
def test_a_writer_that_still_had_the_old_ring_loses_nothing(
    call: int, relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, "wait_for_writers", call, late_writer(keyring.current()))
    rotate()
    assert len(keyring.current()) == 1
    assert opened(RelaySettings.load()) == "late"


def test_a_writer_that_comes_after_the_old_key_was_dropped_brings_it_back(
    relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, "count", 1, late_writer(keyring.current()))
    rotate()
    assert len(keyring.current()) == 1
    assert opened(RelaySettings.load()) == "late"


def test_a_secret_replaced_while_it_is_re_sealed_keeps_the_new_value(
    relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in (1, 2):
        meanwhile(monkeypatch, "swap", call, lambda: RelaySettings.objects.update(password="fresh"))
    assert rotate().resealed.total() == 0
    assert opened(RelaySettings.load()) == "fresh"


# --- in processes of their own


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    Node(folder).run("setup")
    return folder


@pytest.fixture
def node(prepared: Path, tmp_path: Path) -> Node:
    shutil.copytree(prepared, tmp_path / "node")
    return Node(tmp_path / "node")


STEPS = [
    "about to replace the key file",
    "replaced the key file",
    "A new key seals from now on; the old one still opens.",
    "mailrelay.Message.body: 20 re-sealed",
    "mailrelay.Message.body: 40 re-sealed",
    "mailrelay.Message.body: 60 re-sealed",
    "mailrelay.RelaySettings.password: 1 re-sealed",
    "about to replace the key file",
    "replaced the key file",
]
# Nothing was left to do when it was killed before the new key, or after the old one had gone: a new rotation.
RESUMED = {0: "resumed=False resealed=61", 1: "resumed=True resealed=61", 4: "resumed=True resealed=21"}
RESUMED |= {6: "resumed=True resealed=0", 7: "resumed=True resealed=0", 8: "resumed=False resealed=61"}


@pytest.mark.parametrize("survived", RESUMED)
def test_a_kill_at_any_step_loses_nothing_and_the_next_run_goes_on(survived: int, node: Node) -> None:
    with node.start("rotate", "stepwise") as process:
        for step in STEPS[:survived]:
            assert process.next_line() == step
            process.go_on()
        assert process.next_line() == STEPS[survived]
        process.kill()
    *_, summary, contents = node.run("finish").splitlines()
    assert summary == f"{RESUMED[survived]} kept=0"
    assert contents == f"{ROWS} 0"


def rotate_beside_writers(node: Node) -> None:
    with node.start("write") as first, node.start("write") as second:
        assert first.next_line() == second.next_line() == "writing"
        for _ in range(2):
            assert "kept=0" in node.run("rotate")
        written = [int(each.finish()) for each in (first, second)]
    assert min(written) > 0
    assert node.run("check").split()[0] == str(ROWS + sum(written))


def test_writers_in_other_processes_lose_nothing(node: Node) -> None:
    rotate_beside_writers(node)


@pytest.mark.real
def test_writers_in_other_processes_lose_nothing_on_postgresql(tmp_path: Path) -> None:
    with or_skip(Postgres) as server:
        node = Node(tmp_path, server.url)
        node.run("setup")
        rotate_beside_writers(node)
