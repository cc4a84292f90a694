"""Only one user can read the data dir and everything in it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from quazzar import paths
from quazzar.paths import private_dir
from tests.quazzar.nodes import ROOT


def mode(path: Path) -> str:
    return f"{path.lstat().st_mode & 0o7777:04o}"


def put(path: Path, permissions: int = 0o644) -> Path:
    path.write_text("secret")
    path.chmod(permissions)
    return path


def test_a_folder_that_is_not_there_is_made_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert mode(private_dir(tmp_path / "var")) == "0700"
    finally:
        os.umask(before)


@pytest.mark.parametrize("permissions", [0o755, 0o750, 0o711, 0o777, 0o704])
def test_an_open_folder_of_ours_is_closed_with_its_files(tmp_path: Path, permissions: int) -> None:
    (folder := tmp_path / "var").mkdir()
    for name in ("quazzar.sqlite3", "quazzar.sqlite3-wal", "django-secret.key", "license.jwt", "up.lock"):
        put(folder / name)
    folder.chmod(permissions)
    private_dir(folder)
    assert mode(folder) == "0700"
    assert {mode(path) for path in folder.iterdir()} == {"0600"}


def test_an_empty_folder_is_closed(tmp_path: Path) -> None:
    (folder := tmp_path / "var").mkdir()
    folder.chmod(0o755)
    assert mode(private_dir(folder)) == "0700"


def test_open_files_in_a_closed_folder_are_closed(tmp_path: Path) -> None:
    file = put(tmp_path / "quazzar.sqlite3", 0o664)
    private_dir(tmp_path)
    assert mode(file) == "0600"


def test_a_folder_that_others_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (folder := tmp_path / "srv").mkdir()
    file = put(folder / "index.html")
    folder.chmod(0o755)
    with pytest.raises(ImproperlyConfigured, match="chmod 700"):
        private_dir(folder)
    folder.chmod(0o1777)
    put(folder / "quazzar.sqlite3")
    with pytest.raises(ImproperlyConfigured):
        private_dir(folder)
    assert (mode(folder), mode(file)) == ("1777", "0644")


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = put(tmp_path / "elsewhere")
    (folder := tmp_path / "var").mkdir(mode=0o700)
    (folder / "link").symlink_to(elsewhere)
    private_dir(folder)
    assert mode(elsewhere) == "0644"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_touches_nothing_of_another_user(tmp_path: Path) -> None:
    (folder := tmp_path / "var").mkdir()
    file = put(folder / "quazzar.sqlite3")
    for path in (folder, file):
        os.chown(path, 65534, 65534)
    folder.chmod(0o755)
    private_dir(folder)
    assert (mode(folder), mode(file)) == ("0755", "0644")


@pytest.mark.slow
def test_commands_make_files_for_their_user_alone(tmp_path: Path) -> None:
    env = {**os.environ, "QUAZZAR_DATA_DIR": str(tmp_path / "var"), "DATABASE_URL": "", "REDIS_URL": ""}
    env |= {
        "QUAZZAR_SECRETS_KEY_FILE": "",
        "QUAZZAR_LICENSE_FILE": "",
        "DJANGO_SETTINGS_MODULE": "quazzar.settings",
    }
    argv = ["sh", "-c", 'umask 022; exec "$0" manage.py migrate auth -v 0', sys.executable]
    subprocess.run(argv, cwd=ROOT, env=env, check=True, timeout=120)
    database = tmp_path / "var" / "quazzar.sqlite3"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")  # so that -wal and -shm are there
        modes = {path.name: mode(path) for path in (tmp_path / "var").iterdir()}
    assert {"quazzar.sqlite3", "quazzar.sqlite3-shm", "django-secret.key"} <= modes.keys()
    assert set(modes.values()) == {"0600"}


class _Closed:
    """The key file of a node of another user, in a folder that only that user may enter."""

    parent = Path("/etc/quazzar")

    def exists(self) -> bool:
        raise PermissionError(13, "Permission denied")


def test_the_closed_folder_of_another_node_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SYSTEM_KEY_FILE", _Closed())
    assert paths.key_file(None, tmp_path) == tmp_path / "secrets.key"
    (tmp_path / "secrets.key").touch()
    (tmp_path / "evaluation.key").touch()
    assert paths.key_file(None, tmp_path) == tmp_path / "secrets.key"


def test_a_key_file_that_was_closed_off_is_not_replaced_by_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SYSTEM_KEY_FILE", _Closed())
    (tmp_path / "license.jwt").touch()
    with pytest.raises(ImproperlyConfigured, match="may not look into /etc/quazzar"):
        paths.key_file(None, tmp_path)
