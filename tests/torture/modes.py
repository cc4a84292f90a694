"""The modes by name."""

from __future__ import annotations

from collections.abc import Callable

from tests.torture.fleet import OnPostgres
from tests.torture.mailserver import OnDocker
from tests.torture.queues import QueueOnPostgres, QueueOnSqlite
from tests.torture.relay import OnSqlite
from tests.torture.world import World

_ALL: tuple[type[World], ...] = (QueueOnSqlite, QueueOnPostgres, OnSqlite, OnPostgres, OnDocker)
MODES: dict[str, Callable[[], World]] = {mode.name: mode for mode in _ALL}
#: Those of which a round takes a second.
LIGHT = (QueueOnSqlite.name, QueueOnPostgres.name)
