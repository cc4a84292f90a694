"""The demo's folder, and the environment of its processes. Standard library only."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Where the demo lives unless it is told otherwise.
FOLDER = ROOT / ".demo"
#: The file that marks a folder as a demo's. Settings refuse any other folder, and nothing else is emptied.
MARK = "this-is-a-demo"
#: Who signs in.
OPERATOR = "operator"
CAPTURED, ZONES, CERTIFICATE, KEY = "captured", "zones", "relay.pem", "relay.key"
#: The file with the password of one mailbox, so that a visitor can sign in to it.
MAILBOX = "mailbox.txt"
_LOCK = "demo.lock"
#: Variables of the operator's own node, which the demo ignores.
_OTHERS = frozenset(
    {"ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DATABASE_URL", "DEBUG", "REDIS_URL", "SECRET_KEY"}
    | {
        "DOCKER_CERT_PATH",
        "DOCKER_CONTEXT",
        "DOCKER_HOST",
        "DOCKER_TLS_VERIFY",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
    }
)


class NotADemo(Exception):
    """The folder holds something else."""


def prepare(folder: Path, *, keep: bool) -> bool:
    """Make the demo's folder, empty unless it is to be kept; returns whether it is empty.

    Raises:
        NotADemo: it is not empty, and no demo has made it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = folder / MARK
    if not mark.is_file() and any(entry.name != _LOCK for entry in folder.iterdir()):
        raise NotADemo(f"{folder} was not created by the demo, so it is left alone. Choose an empty folder.")
    if not keep or not mark.is_file():
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()
    fresh = not mark.exists()
    for name in (CAPTURED, ZONES):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    mark.touch(mode=0o600)
    return fresh


def lock_file(folder: Path) -> Path:
    """The lock file that is held while the demo runs."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / _LOCK


def of(
    folder: Path, own: Mapping[str, str], *, port: int, nameserver: str, relay_port: int
) -> dict[str, str]:
    """The environment for the demo's processes.

    Args:
        own: the environment of the person who starts it.
        port: of the console.
        nameserver: ``address:port`` of the one that knows the demo's zones.
        relay_port: of the relay that captures mail.
    """
    kept = {
        name: value
        for name, value in own.items()
        if name.removesuffix("_FILE") not in _OTHERS and not name.startswith("QUAZZAR_")
    }
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "demo.settings",
        "DEMO_RELAY_PORT": str(relay_port),
        "PYTHONPATH": str(ROOT),
        "QUAZZAR_DATA_DIR": str(folder),
        "QUAZZAR_SECRETS_KEY_FILE": str(folder / "secrets.key"),
        "QUAZZAR_URL": f"http://127.0.0.1:{port}",
        # Delivered mail keeps its content, so that there is something to look at.
        "QUAZZAR_BODY_RETENTION_DAYS": "30",
        "QUAZZAR_DNS_RESOLVERS": nameserver,
        "QUAZZAR_PUBLIC_ADDRESSES": "192.0.2.25",
        "QUAZZAR_OUTBOUND_PROBE": "off",
        # Containers do not run under these settings, so the demo has no Docker unless it is asked for a mail server.
        "DOCKER_HOST": f"unix://{folder / 'no-docker.sock'}",
        "SSL_CERT_FILE": str(folder / CERTIFICATE),
    }
