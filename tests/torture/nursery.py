"""A process that has loaded the product and forks workers and senders of mail, each ready within milliseconds.

Run by `queues.py`. Each line on standard input is a JSON object that says what a child should do; the answer is the
child's process id.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.db import close_old_connections  # noqa: E402

from mailrelay import tasks  # noqa: E402
from mailrelay.mail.emails import Email  # noqa: E402
from mailrelay.models import Message  # noqa: E402
from mailrelay.queue import byhand, outbox  # noqa: E402
from mailrelay.sendmail import program  # noqa: E402
from quazzar import doorbell  # noqa: E402
from quazzar.errors import QuazzarError  # noqa: E402


def work() -> None:
    """What a worker does, but more often: its sweep, and what the bell asks for. An error ends the task only."""
    while True:
        for task in (tasks.sweep_outbox, tasks.deliver_outbox):
            _attempt(task)
        time.sleep(0.1)


def _attempt(task: Callable[[], object]) -> None:
    close_old_connections()  # as Celery does around each task
    try:
        task()
    except Exception:  # noqa: BLE001  (as Celery)
        traceback.print_exc()
    close_old_connections()


def send(tokens: list[str], body: str, way: str, told: str) -> None:
    """Hand in mail as the API or sendmail would; each answer is a line in the file ``told``."""
    file = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for token in tokens:
        close_old_connections()
        taken = (_by_sendmail if way == "sendmail" else _by_api)(token, body)
        os.write(file, f"{int(taken)} {token}\n".encode())


def _by_api(token: str, body: str) -> bool:
    try:
        email = Email(to=[f"{token}@inbox.test"], subject=token, text=body)
        outbox.enqueue(email, source="api", idempotency_key=token)
    except (QuazzarError, django.db.Error, OSError):
        return False
    return True


def _by_sendmail(token: str, body: str) -> bool:
    mail = f"From: root\nTo: {token}@inbox.test\nSubject: {token}\n\n{body}\n".encode()
    return program.run(["-t", "-i"], io.BytesIO(mail), sys.stderr) == os.EX_OK


def hurry() -> None:
    """Press Retry now for everything that waits for its next attempt."""
    for message in Message.objects.filter(status="retrying"):
        byhand.retry(message)


def main() -> None:
    """Fork until standard input ends. Nobody rings: there is no broker, and the workers look many times a second."""
    doorbell.ring = lambda *_: None
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    deeds: dict[str, Callable[..., None]] = {"work": work, "send": send, "hurry": hurry}
    for line in sys.stdin:
        wanted: dict[str, Any] = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                deeds[wanted.pop("do")](**wanted)
            except BaseException:  # noqa: BLE001  (a child must not go on as its parent)
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
