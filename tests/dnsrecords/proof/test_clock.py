"""A proof from a node whose clock is really wrong, through a relay and to an inbox whose clocks are right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.dnsrecords.proof.signingrelay import HOST, SigningRelay
from tests.dnsrecords.proof.test_real import BLOCKLISTS, POSTFIX, ZONES
from tests.live.console import Console
from tests.rig import clock, or_skip
from tests.rig.dovecot import RealDovecot
from tests.rig.postfix import RealPostfix

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rig.nameserver import Nameserver

pytestmark = [pytest.mark.real, pytest.mark.thorough]
#: The node sends a proof.
SEND = """
import sys, django
django.setup()
from dnsrecords.proof import starting
from mailrelay.inbox import settings
from mailrelay.models import RelaySettings
from mailrelay.queue import delivery
relay, imap, username, password = sys.argv[1:]
here = {"host": "127.0.0.1", "security": "none"}
RelaySettings.objects.update_or_create(pk=1, defaults={**here, "port": int(relay), "from_address": "node@sender.test"})
inbox = settings.add({**here, "port": int(imap), "username": username, "password": password})
starting.start(starting.Wish("relay", inbox=inbox.pk))
delivery.drain()
"""
#: It looks for the proof, and judges it.
JUDGE = """
import json, django
django.setup()
from dnsrecords.models import Proof
from dnsrecords.proof import running
from mailrelay.inbox import fetching
fetching.look_at_all()
running.carry_on()
row = Proof.objects.get()
print(json.dumps({"state": row.state, "sentence": row.sentence, "verdict": row.verdict}))
"""


@pytest.mark.parametrize(
    ("minutes", "sentence"),
    [
        (210, f"This node's clock is 3 h ahead of {HOST}."),
        (-210, f"This node's clock is at least 3 h behind {HOST}."),
    ],
)
def test_a_clock_that_is_wrong_is_red_at_this_node(
    server: Nameserver, tmp_path: Path, minutes: int, sentence: str
) -> None:
    wrong = or_skip(lambda: clock.moved(minutes))
    server.publish_all({**ZONES, **BLOCKLISTS})
    with (
        or_skip(lambda: RealPostfix(options=POSTFIX)) as postfix,
        or_skip(RealDovecot) as dovecot,
        SigningRelay(postfix.plain_port) as relay,
    ):
        node = Console(tmp_path, QUAZZAR_DNS_RESOLVERS=server.address)
        told = (str(relay.port), str(dovecot.port), dovecot.username, dovecot.password)
        _done(node, wrong, SEND, *told)
        postfix.wait_for(1)
        dovecot.deliver(postfix.raw_messages()[0])
        found = json.loads(_done(node, wrong, JUDGE))
    red = [
        (station["key"], check["key"])
        for station in found["verdict"]["stations"]
        for check in station["checks"]
        if check["mark"] == "bad"
    ]
    assert (found["state"], red) == ("failed", [("node", "clock")]), found
    assert found["sentence"] == sentence


def _done(node: Console, env: dict[str, Any], program: str, *arguments: str) -> bytes:
    done = node.run("-c", program, *arguments, **env)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
