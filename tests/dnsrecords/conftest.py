"""A real authoritative server, shared by the tests of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.rig import or_skip
from tests.rig.nameserver import Nameserver

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[Nameserver]:
    """Knot, without a zone yet."""
    with or_skip(Nameserver) as running:
        yield running


@pytest.fixture
def nameserver(server: Nameserver, settings: Any) -> Nameserver:
    """The same, as the one that this node asks."""
    settings.QUAZZAR_DNS_RESOLVERS = [server.address]
    return server
