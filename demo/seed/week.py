"""A week in the life of the demo's node: its mail is submitted, sent and refused by the product, at other times."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from demo import environment, loopback, relay, store
from demo.seed import blocklists, clock, domains, maillog, people, proofs, reports, returned, texts
from demo.seed.clock import Event
from demo.seed.people import Crew
from mailrelay import notifiers
from mailrelay.diagnosis import testmail
from mailrelay.expected import arrivals, changes, signatures, watching
from mailrelay.mail import rawmail
from mailrelay.models import ExpectedReport, ExpectedSweep
from mailrelay.queue import counts, delivery, outbox, submission
from mailrelay.relay import settings as relay_settings
from mailrelay.sender import Email, Sender
from quazzar import actors
from quazzar.access import audit
from quazzar.models import ApiKey

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
#: Job → how many hours ago it ran last, its size in bytes, and what it says.
_JOBS = {
    "nas-snapshots": (4.0, 18_253_611_008, "412 files changed, 4 min"),
    "postgres-dump": (6.5, 2_415_919_104, "shop, wiki, grafana"),
    "offsite-sync": (31.4, 61_203_283_968, "restic: snapshot saved"),
}
_FAILED = ("postgres-dump", 2)
#: Mails of the shop in an hour of the day, in the node's zone.
_RHYTHM = (0, 0, 0, 0, 0, 0, 1, 2, 4, 5, 6, 5, 4, 5, 6, 5, 4, 3, 3, 4, 3, 2, 1, 1)


def live(crew: Crew, zones: domains.Zones, *, with_server: bool) -> None:
    """Live through the week, and backdate the captured mail to it.

    Args:
        with_server: a mail server has been enabled; the worker starts it afterwards.
    """
    now = timezone.now()
    dice = random.Random(4)  # noqa: S311  (the same week each time)
    with crew.by(crew.owner, now - 7 * _DAY - 2 * _HOUR):
        _set_relay()
        testmail.run("ada@harbour.example")
        if with_server:
            domains.enable_server()
    _learn(now, dice)
    reports.publish(zones)
    told = [*_story(crew, zones, now, dice)]
    for when, happen in sorted(told, key=lambda event: event[0]):
        arrivals.recent.forget()  # it counts seconds of the real clock
        with clock.at(when):
            happen()
        with clock.at(when + timedelta(seconds=1)):
            if outbox.anything_due():
                counts.note_waiting()
                delivery.drain()
    delivery.close_idle_connections(0)
    maillog.keep(now)
    _backdate()


def _set_relay() -> None:
    relay_settings.update(
        {
            "provider": "custom",
            "host": loopback.RELAY,
            "port": loopback.RELAY_PORT,
            "security": "starttls",
            "username": relay.USERNAME,
            "password": relay.PASSWORD,
            "from_address": "node@harbour.example",
            "from_name": "Harbour node",
            "alert_recipients": ["ada@harbour.example"],
            "backup_recipients": ["ada@harbour.example", "maya@harbour.example"],
            "notify_backup_success": True,
        },
        partial=False,
    )


def _story(crew: Crew, zones: domains.Zones, now: datetime, dice: random.Random) -> Iterator[Event]:
    yield from _backups(crew, now, dice)
    yield from _alerts(crew, now)
    yield from _cron(now)
    yield from _shop(crew, now, dice)
    yield from _watch(crew, now)
    yield from domains.events(crew, zones, now)
    yield from people.sign_ins(crew, now)
    yield from reports.events(crew, now)
    yield from blocklists.events(zones, now)
    yield from proofs.events(crew, zones, now)
    yield from returned.events(
        crew,
        now,
        lambda to, ago: (now - ago, _order(crew, to, 21_300 - 3 * int(ago / _HOUR), texts.ORDERS[2])),
    )

    def change_recipients() -> None:
        with crew.by(crew.maya, now - 40 * _HOUR, people.OFFICE):
            relay_settings.update(
                {"alert_recipients": ["ada@harbour.example", "maya@harbour.example"]}, partial=True
            )

    yield now - 40 * _HOUR, change_recipients


# --- recurring reports
def _backups(crew: Crew, now: datetime, dice: random.Random) -> Iterator[Event]:
    for job, (ago, size, words) in _JOBS.items():
        for day in range(7):
            when = now - ago * _HOUR - day * _DAY + timedelta(seconds=dice.uniform(0, 300))
            succeeded = (job, day) != _FAILED
            report = notifiers.BackupReport(
                job,
                succeeded,
                when - timedelta(minutes=dice.uniform(3, 9)),
                when,
                int(size * dice.uniform(0.97, 1.03)) if succeeded else None,
                words
                if succeeded
                else "pg_dump: error: could not write to output file: No space left on device",
            )
            if now - when < 7 * _DAY:
                yield when, _by_key(crew.keys["nas"], partial(notifiers.notify_backup, report))


def _learn(now: datetime, dice: random.Random) -> None:
    """The same reports in the weeks before, from which the node has learned; their mail is gone."""
    for day in range(21, 5, -1):
        for job, (ago, _, _) in _JOBS.items():
            when = now - ago * _HOUR - day * _DAY + timedelta(seconds=dice.uniform(0, 300))
            if now - when >= 7 * _DAY:  # those after it are mailed (_backups)
                arrivals.recent.forget()
                arrivals.record(signatures.of_backup(job), now=when)


def _watch(crew: Crew, now: datetime) -> Iterator[Event]:
    """Each has been watched since last week; hourly sweeps find the one that is late."""

    def watch() -> None:
        ExpectedReport.objects.update(look_at=timezone.now())
        _sweep()
        with crew.by(crew.owner, now - 160 * _HOUR):
            for row in ExpectedReport.objects.filter(name__in=_JOBS, state=ExpectedReport.State.PROPOSED):
                changes.watch(row.pk)

    yield now - 160 * _HOUR, watch
    for hours in range(159):
        yield now - hours * _HOUR, _sweep


def _sweep() -> None:
    # A gap in the sweeps means that the node was off; it was not.
    ExpectedSweep.objects.update_or_create(pk=1, defaults={"at": timezone.now() - timedelta(seconds=20)})
    watching.sweep()


def _cron(now: datetime) -> Iterator[Event]:
    for day in range(7):
        for hours, mail in ((15.2, texts.CRON), (17.7, texts.UPGRADES)):
            when = now - hours * _HOUR - day * _DAY
            if now - when < 7 * _DAY:
                yield when, partial(_sendmail, mail)


def _sendmail(text: str) -> None:
    """As `quazzar-sendmail` does it."""
    node, mail = submission.node(), rawmail.read(text.encode())
    with actors.acting_as("sendmail:root"):
        row = submission.submit(
            submission.with_deliverable_people(mail, node),
            node=node,
            sender=node.from_address,
            recipients=node.alert_recipients,
            source="sendmail",
            name="root",
        )
        arrivals.record(signatures.of_mail("root", row.subject))


# --- everything else
def _alerts(crew: Crew, now: datetime) -> Iterator[Event]:
    for hours, rule, severity, state, summary, details in texts.ALERTS:
        notice = notifiers.rule_notice(rule, severity, state, summary, details)
        send = _by_key(crew.keys["alertmanager"], partial(notifiers.notify_alert, notice))
        yield now - hours * _HOUR, send


def _shop(crew: Crew, now: datetime, dice: random.Random) -> Iterator[Event]:
    moments = sorted(
        now - (hours - dice.random()) * _HOUR
        for hours in range(7 * 24, 0, -1)
        for _ in range(max(0, _RHYTHM[(now - hours * _HOUR).astimezone().hour] + dice.choice((-1, 0, 0, 1))))
    )
    order = 20_412
    for when in moments:
        order += dice.randint(1, 3)
        if now - when > timedelta(minutes=12):
            yield when, _order(crew, dice.choice(texts.CUSTOMERS), order, dice.choice(texts.ORDERS))
    invoice, parcel = texts.ORDERS[1], texts.ORDERS[2]
    closed, slow, busy = "sales@closed.example", "Ines Castro <ines@slow.example>", "office@busy.example"
    yield now - 70 * _HOUR, _order(crew, "orders@closed.example", order - 90, invoice)
    yield now - 1.3 * _HOUR, _order(crew, closed, order + 1, invoice)
    yield now - 2.6 * _HOUR, _order(crew, slow, order + 2, parcel)
    for minutes in (155, 153, 150):  # the worker checks again
        yield now - timedelta(minutes=minutes), lambda: None
    yield now - timedelta(minutes=11), _order(crew, busy, order + 3, invoice)
    for minutes in (9, 6, 3):
        yield now - timedelta(minutes=minutes), lambda: None
    yield now - timedelta(minutes=2), _order(crew, texts.CUSTOMERS[4], order + 4, texts.ORDERS[0])


def _order(crew: Crew, to: str, number: int, wording: tuple[str, str]) -> Callable[[], None]:
    subject, text = (words.format(number) for words in wording)
    html = texts.HTML.format(subject=subject, text=text.replace("\n", "<br>"))
    mail = Email(
        to=[to], subject=subject, text=text, html=html, from_address="Orchard & Sons <shop@orchard.example>"
    )
    return _by_key(crew.keys["shop"], lambda: Sender().queue(mail))


def _by_key(key: ApiKey, does: Callable[[], object]) -> Callable[[], None]:
    def happen() -> None:
        with actors.acting_as(audit.of_key(key)):
            does()
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())

    return happen


def _backdate() -> None:
    """Set the capture time of each mail to its Date."""
    folder = Path(settings.QUAZZAR_DATA_DIR) / environment.CAPTURED
    for mail in store.listed(folder, store.KEPT):
        date = BytesHeaderParser().parsebytes(mail.data)["date"]
        store.move(folder, mail.number, parsedate_to_datetime(date) + timedelta(seconds=1))
