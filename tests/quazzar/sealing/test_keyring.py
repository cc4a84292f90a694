"""The key file: made once, read at once when it changes, refused when others can reach it."""

import base64
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.checks import CheckMessage
from pytest_django.fixtures import Settings

from quazzar import checks
from quazzar.errors import KeyFileError
from quazzar.sealing import keyring
from quazzar.sealing.cipher import KeyRing

ONE, TWO = bytes(range(32)), b"\xfe" * 32


@pytest.fixture(autouse=True)
def key_file(settings: Settings, tmp_path: Path) -> Path:
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "etc" / "secrets.key"
    return tmp_path / "etc" / "secrets.key"


def put(file: Path, content: bytes, mode: int = 0o600) -> None:
    file.parent.mkdir(exist_ok=True, mode=0o700)
    file.write_bytes(content)
    file.chmod(mode)


def ids(messages: list[CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


def line(key: bytes) -> bytes:
    return base64.b64encode(key) + b"\n"


def test_it_is_made_on_first_use_for_its_owner_only(key_file: Path) -> None:
    ring = keyring.current()
    assert len(ring) == 1
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700
    assert [file.name for file in key_file.parent.iterdir()] == ["secrets.key"]


def test_looking_at_it_does_not_make_it(key_file: Path) -> None:
    assert keyring.existing() is None
    assert checks.check_key_file() == []
    assert not key_file.exists()


def test_what_was_made_reads_back_the_same() -> None:
    assert keyring.current().keys == keyring.read(keyring.path()).keys


@pytest.mark.slow
def test_processes_that_start_at_once_end_with_one_key(key_file: Path) -> None:
    script = (
        "import sys, pathlib; from django.conf import settings;"
        "settings.configure(QUAZZAR_SECRETS_KEY_FILE=pathlib.Path(sys.argv[1]));"
        "from quazzar.sealing import keyring; sys.stdin.read(); print(keyring.current())"
    )
    argv = [sys.executable, "-c", script, str(key_file)]
    started = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()  # all of them wait for this
        process.stdin = None
    assert len({process.communicate(timeout=60)[0] for process in started}) == 1


def test_the_one_who_comes_second_takes_the_first_ones_key(key_file: Path) -> None:
    put(key_file, line(ONE))
    keyring.create(key_file)
    assert keyring.current().keys == (ONE,)


def test_a_replaced_file_is_seen_at_once(key_file: Path) -> None:
    for number in range(50):
        key = bytes([number]) * 32
        keyring.replace(key_file, KeyRing([key])) if number else put(key_file, line(key))
        assert keyring.current().keys == (key,)


def test_a_file_written_over_in_place_is_seen_at_once(key_file: Path) -> None:
    put(key_file, line(ONE))
    for key in (ONE, TWO) * 25:
        key_file.write_bytes(line(key))
        assert keyring.current().keys == (key,)


def test_an_unchanged_file_is_read_once(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(key_file, line(ONE))
    monkeypatch.setattr(keyring, "_TICK_NS", -(10**12))  # as if it had been there for long
    first = keyring.current()
    assert keyring.current() is first


def test_a_file_that_becomes_readable_by_others_is_refused_at_once(key_file: Path) -> None:
    keyring.current()
    key_file.chmod(0o644)
    with pytest.raises(KeyFileError):
        keyring.current()
    key_file.chmod(0o600)
    keyring.current()


def test_replacing_keeps_a_link_and_the_mode(key_file: Path, tmp_path: Path) -> None:
    put(key_file, line(ONE))
    elsewhere = tmp_path / "elsewhere.key"
    key_file.rename(elsewhere)
    key_file.symlink_to(elsewhere)
    keyring.replace(key_file, KeyRing([TWO, ONE]))
    assert key_file.is_symlink()
    assert keyring.current().keys == (TWO, ONE)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o600


def test_a_replacement_that_fails_leaves_the_old_one(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(key_file, line(ONE))

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(KeyFileError, match="cannot be replaced: Device or resource busy"):
        keyring.replace(key_file, KeyRing([TWO]))
    assert keyring.current().keys == (ONE,)
    assert len(list(key_file.parent.iterdir())) == 1


def test_it_reads_base64_hex_and_raw_keys(subtests: pytest.Subtests) -> None:
    for content, keys in [
        (line(ONE), (ONE,)),
        (base64.b64encode(ONE), (ONE,)),
        (base64.urlsafe_b64encode(TWO), (TWO,)),
        (b"# mine\r\n\r\n" + line(TWO) + b"  " + line(ONE).strip() + b" # old\n", (TWO, ONE)),
        (ONE.hex().encode() + b"\n", (ONE,)),
        (ONE.hex().upper().encode(), (ONE,)),
        (TWO, (TWO,)),
    ]:
        with subtests.test(content=content, keys=keys):
            assert keyring.parse(content).keys == keys


def test_it_refuses_garbage_without_showing_it(subtests: pytest.Subtests, key_file: Path) -> None:
    for content, reason in [
        (b"", "holds no key"),
        (b"# only a comment\n", "holds no key"),
        (b"hunter2", "line 1 is neither base64 nor hex"),
        (b"hunter2 hunter2 hunter2 hunter2 ", "neither base64 nor hex"),
        (line(ONE) + base64.b64encode(b"short"), "the key in line 2 has 5 bytes, not 32"),
        (line(ONE)[:40], "bytes, not 32"),
        (ONE + b"\xff", "not text"),
        (b"#" * 70_000, "too large"),
    ]:
        with subtests.test(content=content, reason=reason):
            put(key_file, content)
            with pytest.raises(KeyFileError, match=reason) as caught:
                keyring.current()
            assert "hunter2" not in caught.value.message
            assert "from a backup" in caught.value.hint
            assert key_file.read_bytes() == content
            assert ids(checks.check_key_file()) == ["quazzar.E002"]


def test_a_file_that_others_can_reach_is_refused_with_the_remedy(
    subtests: pytest.Subtests, key_file: Path
) -> None:
    for mode in [0o640, 0o604, 0o644, 0o620, 0o660, 0o777]:
        with subtests.test(mode=mode):
            put(key_file, line(ONE), mode)
            with pytest.raises(KeyFileError, match=f"mode {mode:04o}") as caught:
                keyring.current()
            assert caught.value.hint == f"chmod 600 {key_file}"
            [message] = checks.check_key_file()
            assert (message.id, message.hint) == ("quazzar.E001", f"chmod 600 {key_file}")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_its_owner_alone_is_fine(key_file: Path, mode: int) -> None:
    put(key_file, line(ONE), mode)
    assert keyring.current().keys == (ONE,)
    assert checks.check_key_file() == []


def owned_by(user: int) -> os.stat_result:
    return SimpleNamespace(st_mode=stat.S_IFREG | 0o600, st_uid=user)  # type: ignore[return-value]


def test_only_root_and_oneself_may_own_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for user in (0, 1000):
        keyring.check_access(Path("secrets.key"), owned_by(user))
    with pytest.raises(KeyFileError, match="belongs to user 1001") as caught:
        keyring.check_access(Path("secrets.key"), owned_by(1001))
    assert "chown 1000 secrets.key" in caught.value.hint


def test_a_folder_in_its_place_is_refused(key_file: Path) -> None:
    key_file.mkdir(parents=True)
    with pytest.raises(KeyFileError, match="is not a file"):
        keyring.current()
    assert ids(checks.check_key_file()) == ["quazzar.E001"]


def test_a_path_that_cannot_be_made_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "file" / "secrets.key"
    with pytest.raises(KeyFileError, match="cannot be read") as caught:
        keyring.current()
    assert "QUAZZAR_SECRETS_KEY_FILE" in caught.value.hint
    assert ids(checks.check_key_file()) == ["quazzar.E001"]


def test_a_folder_in_which_others_can_swap_the_file_is_warned_about(
    subtests: pytest.Subtests, key_file: Path
) -> None:
    for mode, warned in [(0o700, False), (0o755, False), (0o1777, False), (0o775, True)]:
        with subtests.test(mode=mode, warned=warned):
            keyring.current()
            key_file.parent.chmod(mode)
            assert ids(checks.check_key_folder()) == (["quazzar.W001"] if warned else [])


def test_what_is_looked_at_once_is_the_same_until_the_end(key_file: Path) -> None:
    put(key_file, line(ONE))
    with keyring.looked_at_once():
        put(key_file, line(TWO))
        ring = keyring.existing()
        assert ring is not None and ring.keys == (ONE,)
    ring = keyring.existing()
    assert ring is not None and ring.keys == (TWO,)


def test_a_file_that_cannot_be_used_is_still_an_error_for_each_secret(key_file: Path) -> None:
    put(key_file, line(ONE), mode=0o644)
    with keyring.looked_at_once(), pytest.raises(KeyFileError):
        keyring.existing()
