"""Rotation: everything ends under one new key, even with other writers and kills in between."""

import io
import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from mailrelay.models import Message, RelaySettings
from quazzar import tasks
from quazzar.errors import SealError
from quazzar.sealing import columns, keyring, rotation
from quazzar.sealing.cipher import KeyRing
from quazzar.sealing.columns import SealedColumn, sealed_columns
from quazzar.sealing.rotation import reseal_stragglers, rotate
from tests.quazzar.sealedrows import (
    SECRET,
    held_up_writer,
    lose_key,
    meanwhile,
    opened,
    store,
    stored,
    under_the_first_key,
)
from tests.quazzar.sealingnode import ROWS, Node
from tests.rig import or_skip
from tests.rig.services import Postgres
from tests.tiers import some


@pytest.fixture(autouse=True)
def key_file(settings: Settings, tmp_path: Path) -> Path:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"
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
    assert (result.dropped, result.kept, result.unreadable, result.resumed) == (0, 1, 0, False)
    assert keyring.current().keys[1:] == old.keys
    assert under_the_first_key()
    assert [opened(row) for row in Message.objects.order_by("id")] == [b"mail", None]
    assert opened(RelaySettings.load()) == SECRET


def test_what_the_old_key_opened_it_opens_no_more(relay: RelaySettings) -> None:
    old = keyring.current()
    rotate()
    keyring.replace(keyring.path(), old)
    assert RelaySettings.load().password_state == "unreadable"


def test_the_previous_key_stays_until_the_next_rotation_and_no_longer(relay: RelaySettings) -> None:
    made = [keyring.current().keys[0]]
    for dropped in (0, 1, 1):
        result = rotate()
        assert (result.resumed, result.dropped, result.resealed.total()) == (False, dropped, 1)
        made.insert(0, keyring.current().keys[0])
        assert list(keyring.current().keys) == made[:2]
    assert len(set(made)) == 4
    assert opened(RelaySettings.load()) == SECRET


@pytest.mark.django_db
def test_an_empty_node_gets_a_new_key_too() -> None:
    old = keyring.current()
    for _ in range(2):
        result = rotate()
        assert (result.resealed.total(), result.resumed) == (0, False)
    assert len(keyring.current()) == 2
    assert set(keyring.current().keys).isdisjoint(old.keys)


def test_the_command_says_what_it_did_and_no_secret(relay: RelaySettings, key_file: Path) -> None:
    first, second = command(), command()
    assert "mailrelay.RelaySettings.password: 1 re-sealed" in first
    assert "1 secret re-sealed in" in first
    assert f"0 old keys dropped from {key_file}." in first
    assert f"1 old key dropped from {key_file}." in second
    assert f"The previous key stays in {key_file} until the next rotation, because of writes" in first
    assert "Finished" not in first + second
    assert SECRET not in first + second


def test_it_works_in_batches_of_rows_and_of_bytes(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    Message.objects.bulk_create([Message(body=bytes([n]) * 100 * n) for n in range(9)])
    monkeypatch.setattr(columns, "BATCH_ROWS", 4)
    monkeypatch.setattr(columns, "BATCH_BYTES", 1000)
    assert [len(batch) for batch in body_column().batches()] == [4, 2, 1, 1, 1]
    assert rotate().resealed.total() == 9
    assert [opened(row) for row in Message.objects.order_by("id")] == [bytes([n]) * 100 * n for n in range(9)]


# --- what does not open


def test_an_unreadable_secret_is_left_alone_and_counted(relay: RelaySettings) -> None:
    before = stored()
    lost = lose_key()
    result = rotate()
    assert (result.unreadable, result.resealed.total(), result.kept) == (1, 0, 1)
    assert stored() == before
    keyring.replace(keyring.path(), lost)
    assert opened(RelaySettings.load()) == SECRET


def test_the_key_of_a_damaged_secret_stays_and_every_rotation_is_a_new_one(relay: RelaySettings) -> None:
    [blob] = stored()
    assert blob is not None
    store(blob[:-1] + bytes([blob[-1] ^ 1]))
    Message.objects.create(body=b"fine")
    for kept, dropped in ((1, 0), (2, 0), (2, 1)):
        result = rotate()
        assert (result.kept, result.dropped) == (kept, dropped)
        assert (result.resumed, result.unreadable, result.resealed.total()) == (False, 1, 1)
    assert "1 older keys stay as well, because unreadable secrets refer to them." in command()
    assert opened(Message.objects.get()) == b"fine"
    store(blob)  # as from a backup
    assert opened(RelaySettings.load()) == SECRET


def test_the_command_points_at_what_does_not_open(relay: RelaySettings) -> None:
    lose_key()
    assert "1 secret left unchanged, because decryption failed. See check_seals." in command()


# --- unfinished, and side by side


def test_an_unfinished_rotation_is_finished_without_another_key(relay: RelaySettings) -> None:
    ring = keyring.current().with_new_key()
    keyring.replace(keyring.path(), ring)
    Message.objects.create(body=b"already new")
    output = command()
    assert "Finished an earlier, interrupted rotation. No new key was created." in output
    assert keyring.current().keys == ring.keys
    assert under_the_first_key()
    assert opened(RelaySettings.load()) == SECRET


def test_a_key_that_was_still_to_be_dropped_is_dropped_without_another_key(relay: RelaySettings) -> None:
    rotate()
    ring = keyring.current()
    keyring.replace(keyring.path(), KeyRing((*ring.keys, b"older-key-" * 3 + b"..")))
    result = rotate()
    assert (result.resumed, result.dropped, result.resealed.total()) == (True, 1, 0)
    assert keyring.current().keys == ring.keys


def test_two_rotations_do_not_run_together(relay: RelaySettings) -> None:
    before = keyring.current().keys
    with rotation._alone(), pytest.raises(SealError, match="Another rotation is running") as caught:
        rotate()
    assert caught.value.code == "rotation_running"
    assert keyring.current().keys == before
    with rotation._alone(), pytest.raises(CommandError, match="Wait until it finishes"):
        command()


def test_a_bad_key_file_stops_it_before_anything_changes(relay: RelaySettings, key_file: Path) -> None:
    before = stored()
    key_file.chmod(0o644)
    with pytest.raises(CommandError, match="chmod 600"):
        command()
    assert stored() == before


@pytest.mark.parametrize("call", range(1, 5))
def test_a_writer_that_still_had_the_old_ring_loses_nothing(
    call: int, relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, "batches", call, held_up_writer("late"))
    rotate()
    assert opened(RelaySettings.load()) == "late"
    rotate()
    assert under_the_first_key()
    assert opened(RelaySettings.load()) == "late"


def test_a_writer_held_up_for_longer_than_a_rotation_loses_nothing(relay: RelaySettings) -> None:
    goes_on = held_up_writer("late")
    rotate()
    new = keyring.current().keys[0]
    goes_on()
    assert opened(RelaySettings.load()) == "late"
    second, third = rotate(), rotate()
    assert (second.resumed, second.resealed.total(), second.dropped) == (True, 1, 0)
    assert (third.resumed, third.resealed.total(), third.dropped) == (False, 1, 1)
    assert keyring.current().keys[1] == new
    assert opened(RelaySettings.load()) == "late"


def test_a_writer_that_ends_just_before_its_key_is_dropped_loses_nothing(
    relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = held_up_writer("late")
    rotate()
    meanwhile(monkeypatch, "wait_for_writers", 1, act)
    assert rotate().dropped == 1
    assert under_the_first_key()
    assert opened(RelaySettings.load()) == "late"


def test_no_key_is_dropped_while_a_transaction_goes_on_writing(
    relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate()
    with monkeypatch.context() as patch:
        patch.setattr(SealedColumn, "wait_for_writers", lambda _: False)
        assert "because a transaction is still writing. Run rotate_key again" in command()
        ring = keyring.current()
        again = rotate()
        assert (again.resumed, again.held, again.dropped, keyring.current().keys) == (
            True,
            True,
            0,
            ring.keys,
        )
    assert (rotate().dropped, keyring.current().keys) == (1, ring.keys[:2])


def test_a_secret_replaced_while_it_is_re_sealed_keeps_the_new_value(
    relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in (1, 2):
        meanwhile(monkeypatch, "swap", call, lambda: RelaySettings.objects.update(password="fresh"))
    assert rotate().resealed.total() == 0
    assert opened(RelaySettings.load()) == "fresh"


# --- what writers stored under an old key afterwards


def test_stragglers_are_re_sealed_and_the_key_file_stays(relay: RelaySettings, key_file: Path) -> None:
    act = held_up_writer("late")
    rotate()
    act()
    before = key_file.read_bytes()
    assert (reseal_stragglers(), reseal_stragglers()) == (1, 0)
    assert under_the_first_key()
    assert key_file.read_bytes() == before
    assert rotate().resumed is False
    assert opened(RelaySettings.load()) == "late"


@pytest.mark.django_db
def test_without_an_old_key_there_are_no_stragglers_and_no_key_file_is_made(key_file: Path) -> None:
    assert reseal_stragglers() == 0
    assert not key_file.exists()
    keyring.current()
    assert reseal_stragglers() == 0


def test_a_straggler_that_does_not_open_is_left_alone(relay: RelaySettings) -> None:
    rotate()
    lose_key()
    keyring.replace(keyring.path(), keyring.current().with_new_key())
    before = stored()
    assert reseal_stragglers() == 0
    assert stored() == before


def test_re_sealing_stragglers_uses_the_key_of_the_moment(
    relay: RelaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = held_up_writer("late")
    rotate()
    act()
    meanwhile(
        monkeypatch, "batches", 2, lambda: keyring.replace(keyring.path(), keyring.current().with_new_key())
    )
    assert reseal_stragglers() == 1
    assert under_the_first_key()


def test_the_hourly_purge_re_seals_stragglers_and_logs_how_many(
    relay: RelaySettings, caplog: pytest.LogCaptureFixture
) -> None:
    act = held_up_writer("late")
    rotate()
    act()
    with caplog.at_level("INFO"):
        tasks.purge()
        tasks.purge()
    assert [record.getMessage() for record in caplog.records if record.name == "quazzar.tasks"] == [
        "1 secrets re-sealed that were stored under an old key"
    ]
    assert under_the_first_key()


# --- in processes of their own


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    for verb in ("setup", "rotate"):  # the second rotation is the first that drops a key
        Node(folder).run(verb)
    return folder


@pytest.fixture
def node(prepared: Path, tmp_path: Path) -> Node:
    shutil.copytree(prepared, tmp_path / "node")
    return Node(tmp_path / "node")


STEPS = [
    "Checking for an earlier, unfinished rotation.",
    "about to replace the key file",
    "replaced the key file",
    "The new key encrypts from now on. The old one still decrypts.",
    "mailrelay.Message.body: 20 re-sealed",
    "mailrelay.Message.body: 40 re-sealed",
    "mailrelay.Message.body: 60 re-sealed",
    "mailrelay.RelaySettings.password: 1 re-sealed",
    "about to replace the key file",
    "replaced the key file",
]
# Nothing was left to do when it was killed before the new key, or after the oldest had gone: a new rotation.
RESUMED = {1: "resumed=False resealed=61", 2: "resumed=True resealed=61", 5: "resumed=True resealed=21"}
RESUMED |= {7: "resumed=True resealed=0", 8: "resumed=True resealed=0", 9: "resumed=False resealed=61"}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("survived", some(RESUMED, 3))
def test_a_kill_at_any_step_loses_nothing_and_the_next_run_goes_on(survived: int, node: Node) -> None:
    with node.start("rotate", "stepwise") as process:
        for step in STEPS[:survived]:
            assert process.next_line() == step
            process.go_on()
        assert process.next_line() == STEPS[survived]
        process.kill()
    *_, summary, contents = node.run("finish").splitlines()
    assert summary == f"{RESUMED[survived]} kept=1 held=False"
    assert contents == f"{ROWS} 0"
    assert len(keyring.read(node.key_file)) == 2


def rotate_beside_writers(node: Node) -> None:
    with node.start("write") as first, node.start("write") as second:
        assert first.next_line() == second.next_line() == "writing"
        made = 0
        while made < 2:
            # One that meets a straggler of the one before finishes that, and makes no key.
            made += "resumed=False" in node.run("rotate")
            for process in (first, second):
                process.go_on()
                assert process.next_line() == "nothing under way"
        written = [int(process.finish()) for process in (first, second)]
    assert min(written) > 0
    assert node.run("check").split()[0] == str(ROWS + sum(written))


@pytest.mark.thorough
def test_writers_in_other_processes_lose_nothing(node: Node) -> None:
    rotate_beside_writers(node)


def rotate_beside_a_transaction(node: Node) -> None:
    """One that has written before two rotations, and ends after them."""
    with node.start("hold") as writer:
        assert writer.next_line() == "written, not committed"
        assert [node.run("rotate").splitlines()[-1] for _ in range(3)] == [
            f"resumed=False resealed={ROWS + 1} kept=1 held=False",
            f"resumed=False resealed={ROWS + 1} kept=1 held=True",
            "resumed=True resealed=0 kept=1 held=True",
        ]
        writer.finish()
    assert "resumed=True resealed=1 kept=1 held=False" in node.run("rotate")
    assert node.run("check") == f"{ROWS + 1} 0\n"


@pytest.mark.thorough
@pytest.mark.real
def test_neither_they_nor_long_transactions_lose_anything_on_postgresql(tmp_path: Path) -> None:
    with or_skip(Postgres) as server:
        node = Node(tmp_path, server.url)
        for beside in (rotate_beside_a_transaction, rotate_beside_writers):
            node.run("setup")
            beside(node)
