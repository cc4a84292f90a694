"""The measured subjects.

Each runs in a separate process: ``python -m bench.subjects NAME COUNT`` prints one JSON line.
"""

import json
import logging
import os
import smtplib
import sys
import time
from collections.abc import Callable

import django

BODY = ("x" * 70 + "\n") * 13  # about 1 KB with its header
TO, FROM = "ops@example.com", "node@example.com"
SMTP_PORT = int(os.environ.get("BENCH_SMTP_PORT", "25"))


def timed(work: Callable[[], object], count: int) -> dict[str, float]:
    """Messages a second and CPU milliseconds a message, of this process."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"rate": count / wall, "cpu_ms": cpu / count * 1000}


def raw_smtplib(count: int) -> dict[str, float]:
    """The standard library on one connection, and nothing else."""
    text = f"From: {FROM}\r\nTo: {TO}\r\nSubject: bench\r\n\r\n{BODY}"
    client = smtplib.SMTP("127.0.0.1", SMTP_PORT)
    return timed(lambda: [client.sendmail(FROM, [TO], text) for _ in range(count)], count)


def django_send_mail(count: int) -> dict[str, float]:
    """send_mail: a connection for each mail."""
    from django.core.mail import send_mail

    return timed(lambda: [send_mail("bench", BODY, FROM, [TO]) for _ in range(count)], count)


def django_one_connection(count: int) -> dict[str, float]:
    """Django's backend, one connection kept open."""
    from django.core.mail import EmailMessage, get_connection

    mails = [EmailMessage("bench", BODY, FROM, [TO]) for _ in range(count)]
    return timed(lambda: get_connection().send_messages(mails), count)


def post_office_enqueue(count: int) -> dict[str, float]:
    """django-post_office: one row each."""
    from post_office import mail

    return timed(lambda: [mail.send(TO, FROM, subject="bench", message=BODY) for _ in range(count)], count)


def post_office_drain(count: int) -> dict[str, float]:
    """django-post_office: queued mail, sent by its own loop."""
    from post_office import mail
    from post_office.models import Email, Log

    mail.send_many(
        [{"recipients": TO, "sender": FROM, "subject": "bench", "message": BODY} for _ in range(count)]
    )

    def drain() -> None:
        while Email.objects.exclude(status=0).exists():
            mail.send_queued(processes=1, log_level=0)

    result = timed(drain, count)
    Email.objects.all().delete()
    Log.objects.all().delete()
    return result


def bare_create(count: int) -> dict[str, float]:
    """The row that Quazzar writes, by the ORM alone."""
    from mailrelay.models import Message

    result = timed(lambda: [Message.objects.create(**_row()) for _ in range(count)], count)
    Message.objects.all().delete()
    return result


def bare_bulk_create(count: int) -> dict[str, float]:
    """Many of them in one statement."""
    from mailrelay.models import Message

    result = timed(
        lambda: Message.objects.bulk_create([Message(**_row()) for _ in range(count)], batch_size=500), count
    )
    Message.objects.all().delete()
    return result


def _row() -> dict[str, object]:
    from mailrelay.models import envelope

    return {
        "message_id": "<x@example.com>",
        "to": [TO],
        **envelope([TO]),
        "subject": "bench",
        "envelope_sender": FROM,
        "body": BODY.encode(),
    }


def quazzar_enqueue(count: int) -> dict[str, float]:
    """Sender().queue, one at a time."""
    from mailrelay.models import Message
    from mailrelay.sender import Email, Sender

    _relay()
    mails = [Email(to=[TO], subject="bench", text=BODY) for _ in range(count)]
    result = timed(lambda: [Sender().queue(mail) for mail in mails], count)
    Message.objects.all().delete()
    return result


def quazzar_enqueue_bulk(count: int) -> dict[str, float]:
    """Sender().queue_many, all mails in one statement."""
    from mailrelay.models import Message
    from mailrelay.sender import Email, Sender

    _relay()
    mails = [Email(to=[TO], subject="bench", text=BODY) for _ in range(count)]
    result = timed(lambda: Sender().queue_many(mails), count)
    Message.objects.all().delete()
    return result


def quazzar_drain(count: int) -> dict[str, float]:
    """Queued mail, sent by a worker's drain."""
    from mailrelay.models import Message
    from mailrelay.queue import delivery
    from mailrelay.sender import Email, Sender

    _relay()
    Sender().queue_many([Email(to=[TO], subject="bench", text=BODY) for _ in range(count)])
    result = timed(delivery.drain, count)
    result["connections"] = len(delivery._pool._idle)  # those it had open
    if Message.objects.exclude(status="sent").exists():
        raise SystemExit("not everything was sent")
    Message.objects.all().delete()
    return result


def quazzar_parts(count: int) -> dict[str, float]:
    """The parts of a drain, one after the other, without threads."""
    from bench import parts
    from mailrelay.sender import Email, Sender

    _relay()
    mails = [Email(to=[TO], subject="bench", text=BODY) for _ in range(count)]
    return parts.measure(lambda: Sender().queue_many(mails), count)


def _relay() -> None:
    from mailrelay.models import RelaySettings
    from quazzar import doorbell

    doorbell.ring = lambda task, *ids: None  # no broker here: the drain is called by hand
    RelaySettings(pk=1, host="127.0.0.1", port=SMTP_PORT, security="none", from_address=FROM).save()


def main() -> None:
    name, count = sys.argv[1], int(sys.argv[2])
    logging.disable()
    django.setup()
    print(json.dumps(globals()[name](count)))


if __name__ == "__main__":
    main()
