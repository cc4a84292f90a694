"""The cost of the sealed field compared with bare AES-GCM, and how long re-sealing takes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def sealing(directory: Path) -> None:
    """Microseconds each; then `rotate_key` over 100,000 rows."""
    print("Sealing")
    os.environ.update(
        DJANGO_SETTINGS_MODULE="bench.settings",
        QUAZZAR_DATA_DIR=str(directory),
        QUAZZAR_SECRETS_KEY_FILE=str(directory / "secrets.key"),
    )
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput"], check=True, stdout=subprocess.DEVNULL
    )
    import django

    django.setup()
    _one_value()
    _rotation()


def _microseconds(work: Callable[[], object], count: int = 50_000) -> float:
    started = time.perf_counter()
    for _ in range(count):
        work()
    return (time.perf_counter() - started) / count * 1e6


def _one_value() -> None:
    from quazzar.sealing import cipher as sealing
    from quazzar.sealing import keyring

    ring, secret, nonce = keyring.current(), b"x" * 32, b"n" * 12
    bare = AESGCM(os.urandom(32))
    blob, plain = sealing.seal(secret, "bench", ring), bare.encrypt(nonce, secret, b"bench")
    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "seal": (
            lambda: sealing.seal(secret, "bench", keyring.current()),
            lambda: bare.encrypt(os.urandom(12), secret, b"bench"),
        ),
        "unseal": (
            lambda: sealing.unseal(blob, "bench", keyring.current()),
            lambda: bare.decrypt(nonce, plain, b"bench"),
        ),
    }
    for what, (ours, theirs) in pairs.items():
        mine, base = _microseconds(ours), _microseconds(theirs)
        met = "met" if mine - base <= 5 else "NOT MET"
        print(f"  {what}: {mine:.1f} µs, bare AES-GCM {base:.1f} µs (goal: 5 µs more at most) {met}")


def _rotation() -> None:
    from mailrelay.models import Message

    rows = [Message(message_id="<x@y>", body=b"x" * 500) for _ in range(100_000)]
    Message.objects.bulk_create(rows, batch_size=5000)
    started = time.perf_counter()
    subprocess.run([sys.executable, "manage.py", "rotate_key"], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    print(
        f"  rotate_key, 100,000 rows: {seconds:.1f} s (goal ≤ 10 s) {'met' if seconds <= 10 else 'NOT MET'}"
    )
