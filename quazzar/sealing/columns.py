"""Reads and replaces sealed columns as raw blobs, in batches, while others write to them."""

# Table and column names come from the models, quoted; every value is a parameter.
# ruff: noqa: S608

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connections, router, transaction

from quazzar.sealing.cipher import HEADER_BYTES, PREFIX_BYTES
from quazzar.sealing.fields import sealed_fields

BATCH_ROWS = 1000
#: A batch ends early when it holds this much: message bodies may have megabytes.
BATCH_BYTES = 8 * 1024 * 1024

Row = tuple[Any, bytes]


@dataclass(frozen=True)
class SealedColumn:
    """A sealed column of a table. Names of table, column and primary key are quoted for SQL.

    Attributes:
        label: ``app.Model.field``, for the operator.
        context: the context that its blobs are sealed for.
        former_contexts: contexts of other columns that blobs were moved here from.
    """

    label: str
    context: str
    former_contexts: tuple[str, ...]
    using: str
    table: str
    column: str
    pk: str

    def batches(self, headers: Collection[bytes] | None = None) -> Iterator[list[Row]]:
        """Lists of (primary key, blob) in the order of the key: of all blobs, or of those with one of the headers."""
        condition, params = self._with_header(headers)
        sql = f"SELECT {self.pk}, LENGTH({self.column}) FROM {self.table} WHERE {condition}"
        order = f" ORDER BY {self.pk} LIMIT {BATCH_ROWS}"
        sizes = self._fetch(sql + order, params)
        while sizes:
            for pks in _groups(sizes):
                yield self._blobs(pks)
            sizes = self._fetch(f"{sql} AND {self.pk} > %s{order}", [*params, sizes[-1][0]])

    def swap(self, changes: Iterable[tuple[Any, bytes, bytes]]) -> int:
        """Replaces blobs where the old one is still stored.

        Args:
            changes: (primary key, old blob, new blob).

        Returns:
            How many were replaced.
        """
        # The nonce in its prefix identifies the old blob, so there is no need to send the whole.
        params = [(new, pk, old[:PREFIX_BYTES]) for pk, old, new in changes]
        if not params:
            return 0
        prefix = f"SUBSTR({self.column}, 1, {PREFIX_BYTES})"
        sql = f"UPDATE {self.table} SET {self.column} = %s WHERE {self.pk} = %s AND {prefix} = %s"
        with transaction.atomic(self.using), connections[self.using].cursor() as cursor:
            cursor.executemany(sql, params)
            return int(cursor.rowcount)

    def count(self, headers: Collection[bytes] | None = None) -> int:
        """The number of blobs, or of those with one of the headers."""
        condition, params = self._with_header(headers)
        return int(self._fetch(f"SELECT COUNT(*) FROM {self.table} WHERE {condition}", params)[0][0])

    def newest_headers(self, rows: int) -> set[bytes]:
        """The headers of the blobs in the newest rows, whose number bounds what this costs."""
        newest = f"SELECT {self.column} AS blob FROM {self.table} ORDER BY {self.pk} DESC LIMIT {rows}"
        sql = f"SELECT DISTINCT SUBSTR(blob, 1, {HEADER_BYTES}) FROM ({newest}) AS newest WHERE blob IS NOT NULL"
        return {_as_blob(header) for (header,) in self._fetch(sql, [])}

    def wait_for_writers(self) -> bool:
        """Waits until each transaction that is writing now has ended; False if one takes longer than a second."""
        connection = connections[self.using]
        try:
            # On SQLite the transaction itself waits for the write lock (transaction_mode IMMEDIATE).
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
    """All sealed columns of the project, by label."""
    columns = (_column(model, field) for model, field in sealed_fields())
    return sorted(columns, key=lambda column: column.label)


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


def _groups(sizes: list[tuple[Any, ...]]) -> Iterator[list[Any]]:
    """The primary keys of (key, size) in groups whose blobs stay below the limit together, or are a single one."""
    group: list[Any] = []
    total = 0
    for pk, size in sizes:
        if group and total + size > BATCH_BYTES:
            yield group
            group, total = [], 0
        group.append(pk)
        total += size
    yield group


def _as_blob(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
