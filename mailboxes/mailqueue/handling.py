"""Puts mail in Postfix's queue on hold, releases it and deletes it, by postsuper(1) in the container."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mailboxes.mailqueue import watch
from mailboxes.mailqueue.retrying import QUEUE_ID, NoPostfix, NotWaiting
from quazzar import words
from quazzar.access import audit
from quazzar.errors import NotRunning, NotThere

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

#: Mails of one call. Each takes two words of the command.
MOST: Final = 500
#: Ids that the audit log names.
_MOST_NAMED = 5
_SWITCHES: Final = {"hold": "-h", "release": "-H", "delete": "-d"}
_ACTIONS: Final = {
    "hold": "stack.queue_held",
    "release": "stack.queue_released",
    "delete": "stack.queue_deleted",
}
#: What else may be the reason that nothing was done.
_NOTHING: Final = {
    "hold": "None of these mails waits in Postfix, or all of them are on hold already.",
    "release": "None of these mails is on hold in Postfix.",
}
#: "postsuper: Deleted: 2 messages"
_COUNT = re.compile(r"^postsuper: [A-Z][a-z -]+: (\d+) messages?$", re.MULTILINE)


def handle(engine: Engine, act: str, queue_ids: Sequence[str]) -> int:
    """Does it with the mails that still wait; returns how many there were.

    Args:
        act: hold, release or delete.

    Raises:
        NotWaiting: none of the mails waits, or none can have it done.
        NoPostfix: the mail server is not running.
        StackError: Postfix did not answer.
    """
    ids = list(dict.fromkeys(one for one in queue_ids if QUEUE_ID.fullmatch(one)))[:MOST]
    if not ids:
        raise NotWaiting
    argv = ["postsuper", *(word for one in ids for word in (_SWITCHES[act], one))]
    try:
        done = engine.check(watch.container(), argv, timeout=watch.TIMEOUT, what=f"the mail queue: {act}")
    except (NotThere, NotRunning) as exc:
        raise NoPostfix from exc
    found = _COUNT.findall(done.stderr.decode(errors="replace"))
    count = sum(map(int, found))
    if not count:
        raise NotWaiting(_NOTHING.get(act, ""))
    named = words.listed(ids[:_MOST_NAMED]) if len(ids) <= _MOST_NAMED else f"{len(ids)} mails"
    audit.record(_ACTIONS[act], named if len(ids) > _MOST_NAMED else f"mail {named}")
    return count
