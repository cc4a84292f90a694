"""Imports a CSV of mailboxes: checks it whole when it arrives; the worker hashes and writes it, all or nothing."""

from __future__ import annotations

import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from mailboxes import changes
from mailboxes.csvfiles.rows import Errors, Row, read
from mailboxes.models import Domain, ImportJob, Mailbox, error_value
from mailboxes.provisioning import namespace, passwords, routes
from mailboxes.provisioning.routing import Box
from quazzar import doorbell
from quazzar.access import audit
from quazzar.errors import AlreadyExists, InvalidFields, QuazzarError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

logger = logging.getLogger(__name__)

#: The task that the worker runs for an import. Its argument is the id of the ImportJob.
IMPORT_MAILBOXES = "mailboxes.tasks.import_mailboxes"

#: Passwords hashed between two updates of the progress: two to three seconds on two cores.
_PORTION = 100
_INSERTED_AT_ONCE = 200
_MOST_LISTED = 3


@dataclass(frozen=True)
class Plan:
    """The mailboxes that an import would add, with passwords that no repr shows."""

    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return len(self.rows)


def check(data: bytes) -> Plan:
    """Checks every row and writes nothing.

    Raises:
        InvalidFields: under ``rows``, with a sentence and a line number for each error.
    """
    errors = Errors()
    rows = read(data, errors)
    in_use = namespace.in_use([row.address for row in rows])
    _refuse_unknown_domains({row.line: row.address for row in rows} | errors.addresses, errors)
    first: dict[str, int] = {}
    for row in rows:
        if row.address in in_use:
            errors.add(row.line, f"{row.address} already exists as {_with_article(in_use[row.address])}.")
        if first.setdefault(row.address, row.line) != row.line:
            errors.add(row.line, f"{row.address} is also in line {first[row.address]}.")
    errors.raise_if_any()
    forwarding = {row.address: row for row in rows if row.forward_to}
    for address, sentence in routes.circles_with(
        {row.address: _box(row) for row in rows}, forwarding
    ).items():
        errors.add(forwarding[address].line, sentence)
    errors.raise_if_any()
    if not rows:
        raise InvalidFields({"rows": ["The file contains no mailboxes."]})
    return Plan(tuple(rows))


def _refuse_unknown_domains(lines: dict[int, str], errors: Errors) -> None:
    domains = _domains(lines.values())
    for line, address in lines.items():
        domain = address.rpartition("@")[2]
        if domain not in domains:
            errors.add(line, f"The domain {domain} does not exist here. Add it first.")


def start(data: bytes) -> ImportJob:
    """Checks every row, stores them sealed, and leaves the rest to the worker.

    Raises:
        InvalidFields: as ``check``; nothing was stored.
    """
    plan = check(data)
    with transaction.atomic():
        rows = json.dumps([astuple(row) for row in plan.rows], separators=(",", ":"))
        job = ImportJob.objects.create(total=len(plan), rows=rows)
        audit.record("import.started", job)
        transaction.on_commit(partial(doorbell.ring, IMPORT_MAILBOXES, job.pk))
    return job


def run(job_id: int) -> None:
    """Hashes the passwords of a job, and then writes all its mailboxes in one change.

    An interrupted job starts again; one that has ended is left alone. If a mailbox cannot be added any more, nothing
    is written, and the job stores why.
    """
    job = ImportJob.objects.filter(pk=job_id, state=ImportJob.State.RUNNING).first()
    if job is None or job.rows is None:
        return
    try:
        rows = [Row(*values) for values in json.loads(job.rows.reveal())]
        _write(job_id, rows, _hashed(job_id, rows))
    except QuazzarError as exc:
        _fail(job_id, exc)


def _hashed(job_id: int, rows: Sequence[Row]) -> list[str | None]:
    """A hash for each row, or None if it has no password. Argon2 releases the GIL, so all cores are used."""
    hashes: list[str | None] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(rows), _PORTION):
            hashes += pool.map(_hash, rows[start : start + _PORTION])
            ImportJob.objects.filter(pk=job_id).update(done=len(hashes))
    return hashes


def _hash(row: Row) -> str | None:
    if row.password:
        return passwords.hash_password(row.password)
    return row.password_hash or None


def _write(job_id: int, rows: Sequence[Row], hashes: Sequence[str | None]) -> None:
    with changes.writing():
        job = ImportJob.objects.filter(pk=job_id, state=ImportJob.State.RUNNING)
        ended = {
            "state": ImportJob.State.DONE,
            "rows": None,
            "done": len(rows),
            "finished_at": timezone.now(),
        }
        if not job.update(**ended):
            return  # another worker has written it
        domains = _domains(row.address for row in rows)
        _refuse_clash(rows, domains)
        homes = namespace.unused_homes(row.address for row in rows)
        generation = changes.bump()
        Mailbox.objects.bulk_create(
            (
                _mailbox(row, hashed, domains, homes[row.address], generation)
                for row, hashed in zip(rows, hashes, strict=True)
            ),
            batch_size=_INSERTED_AT_ONCE,
        )
        routes.refuse_circles(row.address for row in rows if row.forward_to)
        audit.record("import.done", f"import of {len(rows)} mailboxes")
        changes.announce()
    logger.info("import %d done: %d mailboxes", job_id, len(rows))


def _mailbox(row: Row, hashed: str | None, domains: dict[str, int], home: str, generation: int) -> Mailbox:
    local, _, domain = row.address.rpartition("@")
    return Mailbox(
        domain_id=domains[domain],
        local_part=local,
        address=row.address,
        display_name=row.display_name,
        password_hash=hashed,
        quota_mb=row.quota_mb,
        forward_to=list(row.forward_to),
        **{name: getattr(row, name) for name in Mailbox.switches()},
        home=home,
        generation=generation,
    )


def _box(row: Row) -> Box | None:
    """The mailbox as mail sees it; None if it receives none."""
    return Box(row.forward_to, row.keep_copy) if row.can_receive else None


def _refuse_clash(rows: Sequence[Row], domains: dict[str, int]) -> None:
    gone = sorted({row.address.rpartition("@")[2] for row in rows} - domains.keys())
    if gone:
        raise AlreadyExists(
            f"Someone deleted the domain {_listed(gone)} in the meantime.", code="domain_gone"
        )
    if clashes := sorted(namespace.in_use([row.address for row in rows])):
        raise AlreadyExists(f"Someone else added these in the meantime: {_listed(clashes)}.")


def _fail(job_id: int, exc: QuazzarError) -> None:
    logger.warning("import %d failed: %s", job_id, exc.message)
    hint = exc.hint or "Nothing was imported. Correct the file and import it again."
    ended = {
        "rows": None,
        "last_error": error_value(exc.code, exc.message, hint),
        "finished_at": timezone.now(),
    }
    ImportJob.objects.filter(pk=job_id, state=ImportJob.State.RUNNING).update(
        state=ImportJob.State.FAILED, **ended
    )


def _domains(addresses: Iterable[str]) -> dict[str, int]:
    """Name → id of the domains of these addresses, as far as they exist."""
    domains: dict[str, int] = {}
    for names in changes.batches({address.rpartition("@")[2] for address in addresses}):
        domains.update(Domain.objects.filter(name__in=names).values_list("name", "pk"))
    return domains


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _with_article(kind: str) -> str:
    return "an alias" if kind == "alias" else "a mailbox"
