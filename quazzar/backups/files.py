"""The files of a node that are in each backup: keys and licence."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from quazzar.backups.failures import BackupError, DamagedBackup
from quazzar.paths import replace_private
from quazzar.plans import keys
from quazzar.sealing import keyring
from quazzar.sealing.cipher import KeyRing

FOLDER = "files"
KEY_FILE = "secrets.key"
#: Every start makes one, so one that is already on an empty machine need not be kept.
_MADE_AT_START = "django-secret.key"


def places() -> dict[str, Path]:
    """Name in the archive → where the file belongs on this node."""
    data = Path(settings.QUAZZAR_DATA_DIR)
    return {
        KEY_FILE: keyring.path(),
        _MADE_AT_START: data / "django-secret.key",
        "license.jwt": Path(settings.QUAZZAR_LICENSE_FILE),
        "evaluation.key": keys.evaluation_key_file(),
    }


def plain() -> dict[str, bytes]:
    """Name → content of those that exist, without the key file."""
    return {name: path.read_bytes() for name, path in places().items() if name != KEY_FILE and path.is_file()}


def ring(before: KeyRing | None) -> bytes:
    """The key file's content, with the keys that it had before the rows were read: a rotation may drop one meanwhile.

    Raises:
        KeyFileError: it cannot be used.
    """
    now = keyring.current()
    dropped = [key for key in (before.keys if before else ()) if key not in now.keys]
    return keyring.text(KeyRing([*now.keys, *dropped])).encode()


def check(contents: dict[str, bytes]) -> None:
    """Refuse files that are not ours.

    Raises:
        DamagedBackup: there is no usable key file, or a file of another name.
    """
    if unknown := contents.keys() - places().keys():
        raise DamagedBackup(f"The backup has a file that does not belong there: {sorted(unknown)[0]}.")
    try:
        keyring.parse(contents[KEY_FILE])
    except (KeyError, ValueError) as exc:
        raise DamagedBackup("The backup has no usable key file.") from exc


def put(contents: dict[str, bytes]) -> list[Path]:
    """Writes the files, readable for their owner only. What differs is kept beside it, under a name ending in
    ``.before-restore``.

    Returns:
        The names under which something was kept.

    Raises:
        BackupError: a file cannot be written.
    """
    kept = []
    for name, content in contents.items():
        path = places()[name]
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if name != _MADE_AT_START and path.is_file() and path.read_bytes() != content:
                aside = path.with_name(f"{path.name}.before-restore")
                path.replace(aside)
                kept.append(aside)
            replace_private(path, content)
        except OSError as exc:
            raise BackupError(
                f"{path} cannot be written: {exc.strerror}.",
                hint="Let the user who runs Quazzar write to its folder.",
            ) from exc
    return kept
