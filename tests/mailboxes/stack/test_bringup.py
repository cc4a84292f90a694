"""From nothing to three healthy containers, and back; killed and failed at every step."""

from __future__ import annotations

import pytest

from mailboxes.models import Stack
from mailboxes.stack import reconcile
from tests.mailboxes.stackengine import StackEngine

def test_first(enabled: StackEngine) -> None:
    reconcile.converge()
    s = Stack.load()
    print(s.phase, s.last_error, [c[0] for c in enabled.calls], len(enabled.calls), enabled.done)
    assert s.phase == 'healthy'
    assert enabled.accepted() == {'ada@example.com'}
    n=len(enabled.calls)
    reconcile.converge(deep=True)
    print([c[0] for c in enabled.calls[n:]], enabled.done)
