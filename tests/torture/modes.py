"""The modes by name."""

from __future__ import annotations

from collections.abc import Callable

from tests.torture.fleet import OnPostgres
from tests.torture.mailserver import OnDocker
from tests.torture.relay import OnSqlite
from tests.torture.world import World

MODES: dict[str, Callable[[], World]] = {
    OnSqlite.name: OnSqlite,
    OnPostgres.name: OnPostgres,
    OnDocker.name: OnDocker,
}
#: Those of which a round takes seconds.
LIGHT = (OnSqlite.name, OnPostgres.name)
