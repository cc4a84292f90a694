"""The queue on PostgreSQL: its own tests, and the whole product with two workers that share one database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.live.console import Console
from tests.quazzar.nodes import ROOT, Node, wait_until
from tests.rig import free_port, or_skip
from tests.rig.postfix import RealPostfix
from tests.rig.services import Postgres, Valkey

pytestmark = pytest.mark.real

QUEUE_TESTS = (
    "tests/mailrelay/test_outbox.py", "tests/mailrelay/test_delivery.py", "tests/mailrelay/test_backends.py",
    "tests/mailrelay/test_notifiers.py", "tests/mailrelay/test_submission.py", "tests/quazzar/test_idempotency.py",
    "tests/quazzar/test_rotation.py", "tests/quazzar/test_fields_queries.py", "tests/quazzar/test_health.py",
)  # fmt: skip


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with or_skip(Postgres) as server:
        yield server


@pytest.fixture(scope="module")
def provider() -> Iterator[RealPostfix]:
    with or_skip(RealPostfix) as postfix:
        yield postfix
