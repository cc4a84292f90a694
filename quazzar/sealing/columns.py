"""Each sealed column as stored: read and swapped as raw blobs, in batches, while others write."""

# Table and column names come from the models, quoted; every value is a parameter.
# ruff: noqa: S608

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connections, router, transaction

from quazzar.sealing.cipher import HEADER_BYTES, PREFIX_BYTES
from quazzar.sealing.fields import sealed_fields

BATCH_ROWS = 1000
#: Bodies may have megabytes: a batch ends early when it holds this much.
BATCH_BYTES = 8 * 1024 * 1024

Row = tuple[Any, bytes]


@dataclass(frozen=True)
class SealedColumn:
    """One column of one table.

    Attributes:
        label: app.Model.field, for the operator.
        context: what its blobs are sealed for.
        former_contexts: what blobs that came from other columns may still be sealed for.
    """

    label: str
    context: str
    former_contexts: tuple[str, ...]
    using: str
    table: str
    column: str
    pk: str

    def batches(self, headers: Collection[bytes] | None = None) -> Iterator[list[Row]]:
        """Every (pk, blob), or those with one of these headers, in the order of pk."""
        condition, params = self._with_header(headers)
        sql = f"SELECT {self.pk}, LENGTH({self.column}) FROM {self.table} WHERE {condition}"
        order = f" ORDER BY {self.pk} LIMIT {BATCH_ROWS}"
        found = self._fetch(sql + order, params)
        while found:
            for pks in _limited(found):
                yield self._blobs(pks)
            found = self._fetch(f"{sql} AND {self.pk} > %s{order}", [*params, found[-1][0]])

    def swap(self, changes: Iterable[tuple[Any, bytes, bytes]]) -> int:
        """Put new blobs in place of old ones, where the old one is still there; says how many."""
        # The prefix holds the nonce, so it names the old blob without sending it again.
        params = [(new, pk, old[:PREFIX_BYTES]) for pk, old, new in changes]
        if not params:
            return 0
        prefix = f"SUBSTR({self.column}, 1, {PREFIX_BYTES})"
        sql = f"UPDATE {self.table} SET {self.column} = %s WHERE {self.pk} = %s AND {prefix} = %s"
        with transaction.atomic(self.using), connections[self.using].cursor() as cursor:
            cursor.executemany(sql, params)
            return int(cursor.rowcount)

    def count(self, headers: Collection[bytes] | None = None) -> int:
        """How many blobs there are, or how many with one of these headers."""
        condition, params = self._with_header(headers)
        return int(self._fetch(f"SELECT COUNT(*) FROM {self.table} WHERE {condition}", params)[0][0])

    def wait_for_writers(self) -> bool:
        """Wait until every transaction that is writing has ended; False when one goes on for too long."""
        connection = connections[self.using]
        try:
            # On SQLite the transaction itself takes the one write lock (transaction_mode IMMEDIATE).
            with transaction.atomic(self.using), connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    cursor.execute("SET LOCAL lock_timeout = '1s'")
                    cursor.execute(f"LOCK TABLE {self.table} IN SHARE MODE")
        except OperationalError:
            return False
        return True

    def _with_header(self, headers: Collection[bytes] | None) -> tuple[str, list[Any]]:
        if headers is None:
            return f"{self.column} IS NOT NULL", []
        if not headers:
            return "1 = 0", []
        places = ", ".join(["%s"] * len(headers))
        return f"SUBSTR({self.column}, 1, {HEADER_BYTES}) IN ({places})", list(headers)

    def _blobs(self, pks: list[Any]) -> list[Row]:
        places = ", ".join(["%s"] * len(pks))
        sql = f"SELECT {self.pk}, {self.column} FROM {self.table} WHERE {self.pk} IN ({places})"
        return [(pk, _as_blob(blob)) for pk, blob in self._fetch(sql, pks) if blob is not None]

    def _fetch(self, sql: str, params: list[Any]) -> list[tuple[Any, ...]]:
        with connections[self.using].cursor() as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall())


def sealed_columns() -> list[SealedColumn]:
    """Every sealed column of the project, by name."""
    return sorted((_column(model, field) for model, field in sealed_fields()), key=lambda each: each.label)


def _column(model: Any, field: Any) -> SealedColumn:
    using = router.db_for_write(model)
    quote = connections[using].ops.quote_name
    return SealedColumn(
        label=f"{model._meta.label}.{field.name}",
        context=field.context,
        former_contexts=field.former_contexts,
        using=using,
        table=quote(model._meta.db_table),
        column=quote(field.column),
        pk=quote(model._meta.pk.column),
    )


def _limited(found: list[tuple[Any, ...]]) -> Iterator[list[Any]]:
    """The keys in groups whose blobs together stay below the limit (or are a single one)."""
    group: list[Any] = []
    total = 0
    for pk, size in found:
        if group and total + size > BATCH_BYTES:
            yield group
            group, total = [], 0
        group.append(pk)
        total += size
    yield group


def _as_blob(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
