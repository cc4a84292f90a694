"""All rows as JSON for any database: dumped from one snapshot, loaded into an SQLite or PostgreSQL database.

A member ``rows/TABLE/NUMBER.json`` holds the names of the columns in its first line, and a row in each other line.
Bytes and sealed secrets are base64, and the secrets stay sealed; times are RFC 3339; JSON columns are JSON in a string.
"""

# Table and column names come from the models, quoted; every value is a parameter.
# ruff: noqa: S608

from __future__ import annotations

import base64
import json
from contextlib import closing, contextmanager
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from django.apps import apps as current_apps
from django.core.exceptions import ValidationError
from django.core.management.color import no_style
from django.db import DatabaseError, connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from quazzar.backups.failures import BackupError, DamagedBackup, UnknownBackup
from quazzar.sealing.fields import SealedField

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.apps.registry import Apps

    from quazzar.backups.archive import Member

#: Everyone signs in again after a restore, and no process of the old node is alive.
LEFT_OUT = frozenset({"quazzar.session", "sessions.session", "quazzar.heartbeat"})
FOLDER = "rows"
_PART_BYTES = 4 * 1024 * 1024
_FETCH = 200

Migrations = dict[str, list[str]]


def migrations() -> Migrations:
    """App → names of the migrations that the database has; empty for an empty database."""
    found: Migrations = {}
    for app, name in sorted(MigrationRecorder(connection).applied_migrations()):
        found.setdefault(app, []).append(name)
    return found


def check_complete() -> None:
    """Refuse to dump a database that the code does not fit.

    Raises:
        BackupError: there is no database yet, or an upgrade was not finished.
    """
    executor = MigrationExecutor(connection)
    if not migrations():
        raise BackupError("This node has no data yet, so there is nothing to back up.")
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise BackupError(
            "The database still needs an upgrade, so it cannot be backed up.", hint="Run manage.py firstrun."
        )


def dump() -> Iterator[tuple[str, bytes]]:
    """Names and contents of the members, all from one moment. Writers continue."""
    with closing(_snapshot()) as source:
        for model in _models(current_apps):
            if model._meta.label_lower not in LEFT_OUT:
                for number, part in enumerate(_parts(source, model), start=1):
                    yield f"{FOLDER}/{model._meta.db_table}/{number:06}.json", part


def _snapshot() -> Any:
    """A separate connection, in a transaction that sees one moment and does not block writers."""
    source: Any = connection.copy()
    if source.vendor == "sqlite":
        # In WAL mode (settings.py) a reader keeps its snapshot and no writer out.
        source.settings_dict["OPTIONS"] = {**source.settings_dict["OPTIONS"], "transaction_mode": "DEFERRED"}
        source.cursor().execute("BEGIN")
    else:
        source.set_autocommit(False)
        source.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    return source


def _models(apps: Apps) -> list[type[models.Model]]:
    every = apps.get_models(include_auto_created=True)
    return [model for model in every if model._meta.managed and not model._meta.proxy]


def _parts(source: Any, model: type[models.Model]) -> Iterator[bytes]:
    fields = model._meta.local_concrete_fields
    quote = source.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    header = json.dumps([field.column for field in fields]).encode()
    lines, size = [header], 0
    readers = [_reader(field, source) for field in fields]
    pk = quote(model._meta.pk.column)
    with source.chunked_cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {quote(model._meta.db_table)} ORDER BY {pk}")
        while rows := cursor.fetchmany(_FETCH):
            for row in rows:
                values = [reader(value) for reader, value in zip(readers, row, strict=True)]
                lines.append(json.dumps(values, separators=(",", ":")).encode())
                size += len(lines[-1])
                if size > _PART_BYTES:
                    yield b"\n".join(lines)
                    lines, size = [header], 0
    # Also for an empty table: a restore then knows that it was empty.
    yield b"\n".join(lines)


def _reader(field: Any, source: Any) -> Any:
    """A function from what the database's driver gives to what JSON can hold."""
    expression = field.get_col(field.model._meta.db_table)
    converters = source.ops.get_db_converters(expression)
    if isinstance(field, models.JSONField):
        converters = []  # its text, as it is stored
    elif not isinstance(field, SealedField):
        converters = [*converters, *field.get_db_converters(source)]

    def read(value: Any) -> Any:
        for converter in converters:
            value = converter(value, expression, source)
        return _plain(value)

    return read


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode()
        case datetime() | date() | time():
            return value.isoformat()
    return str(value)


# --- back again --------------------------------------------------------------------------------------------
def check_known(wanted: Migrations) -> None:
    """Refuse rows from a newer release.

    Raises:
        UnknownBackup: there are migrations that this release does not have.
    """
    known = MigrationExecutor(connection).loader.disk_migrations
    unknown = [f"{app}.{name}" for app, names in wanted.items() for name in names if (app, name) not in known]
    if unknown:
        raise UnknownBackup(f"The backup comes from a newer release: it has the migration {unknown[0]}.")


def prepare(wanted: Migrations) -> None:
    """Brings the database to the tables that the rows come from. What is in other tables of ours is lost.

    Raises:
        UnknownBackup: there are migrations that this release does not have.
    """
    check_known(wanted)
    if migrations() == wanted:
        return
    _drop_tables()
    executor = MigrationExecutor(connection)
    targets = _leaves(executor, wanted)
    executor.migrate(targets)


def _leaves(executor: MigrationExecutor, wanted: Migrations) -> list[tuple[str, str]]:
    """The last migrations of each app among those wanted."""
    every = {(app, name) for app, names in wanted.items() for name in names}
    graph = executor.loader.graph
    nodes = every & graph.nodes.keys()  # a squashed one may stand for others

    def goes_on(node: tuple[str, str]) -> bool:
        return any(child.key in nodes and child.key[0] == node[0] for child in graph.node_map[node].children)

    return sorted(node for node in nodes if not goes_on(node))


def _drop_tables() -> None:
    quote = connection.ops.quote_name
    ours = {model._meta.db_table for model in _models(current_apps)} | {"django_migrations"}
    with connection.cursor() as cursor:
        there = ours & set(connection.introspection.table_names(cursor))
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        for table in sorted(there):
            cascade = " CASCADE" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TABLE {quote(table)}{cascade}")


def load(members: Iterable[Member], wanted: Migrations) -> int:
    """Replaces all rows by those of the members, in one transaction, and returns how many there are.

    The database must have the tables of ``wanted``; see ``prepare``.

    Raises:
        DamagedBackup: a member does not fit its table.
    """
    executor = MigrationExecutor(connection)
    state = executor.loader.project_state(_leaves(executor, wanted))
    tables = {model._meta.db_table: model for model in _models(state.apps)}
    quote = connection.ops.quote_name
    count = 0
    with transaction.atomic():
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"DELETE FROM {quote(table)}")
        for member in members:
            with _understood(member.name):
                _, table, _ = member.name.split("/")
                count += _insert(tables[table], member.read())
        for statement in connection.ops.sequence_reset_sql(no_style(), list(tables.values())):
            with connection.cursor() as cursor:
                cursor.execute(statement)
    return count


@contextmanager
def _understood(name: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, ValueError, TypeError, DatabaseError, ValidationError) as exc:
        raise DamagedBackup(f"{name} in the backup does not fit the database: {exc}.") from exc


def _insert(model: type[models.Model], content: bytes) -> int:
    header, *lines = content.split(b"\n")
    by_column: dict[str, Any] = {field.column: field for field in model._meta.local_concrete_fields}
    fields = [by_column[column] for column in json.loads(header)]
    quote = connection.ops.quote_name
    columns, places = ", ".join(quote(field.column) for field in fields), ", ".join(["%s"] * len(fields))
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({places})"
    with connection.cursor() as cursor:
        for start in range(0, len(lines), _FETCH):
            rows = [json.loads(line) for line in lines[start : start + _FETCH]]
            cursor.executemany(
                sql, [[_stored(f, value) for f, value in zip(fields, row, strict=True)] for row in rows]
            )
    return len(lines)


def _stored(field: Any, value: Any) -> Any:
    """What the database's driver takes."""
    if value is None:
        return None
    if isinstance(field, SealedField | models.BinaryField):
        driver: Any = connection
        return driver.Database.Binary(base64.b64decode(value, validate=True))
    if isinstance(field, models.JSONField):
        return connection.ops.adapt_json_value(json.loads(value), field.encoder)
    return field.get_db_prep_save(field.to_python(value), connection)
