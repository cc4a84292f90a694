"""Makes Postfix try waiting mail at once, instead of at its next attempt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailboxes.mailqueue import watch
from quazzar.access import audit
from quazzar.errors import NotFound, NotRunning, NotThere, QuazzarError

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine

#: Postfix's queue ids, short and long: postconf(5), "enable_long_queue_ids".
QUEUE_ID = re.compile(r"[0-9A-Za-z]{6,32}")


class NoPostfix(QuazzarError):
    """No Postfix is running that could try the mail."""

    code = "not_running"
    message = "The mail server is not running, so Postfix cannot retry mail."
    hint = "Start the mail server in the Mailboxes tab under Server."
    status = 409


class NotWaiting(NotFound):
    """The mail has left, or was never there."""

    message = "No mail with this queue id waits in Postfix. It may have left in the meantime."


def retry(engine: Engine, queue_id: str = "") -> int:
    """How many mails Postfix now tries: the one with this id, or all that wait. Mail on hold stays there, and is not
    counted.

    Returns without waiting for the result: that shows in the queue, or by the mail being gone from it.

    Raises:
        NotWaiting: no mail has this id.
        NoPostfix: the mail server is not running.
        StackError: Postfix did not answer.
    """
    try:
        mails, count = watch.ask(engine)
    except (NotThere, NotRunning) as exc:
        raise NoPostfix from exc
    if queue_id and not (QUEUE_ID.fullmatch(queue_id) and any(mail.id == queue_id for mail in mails)):
        raise NotWaiting
    # postqueue(1): -i tries one deferred mail, -f all of them. Both forget that a destination did not answer.
    argv = ["postqueue", "-i", queue_id] if queue_id else ["postqueue", "-f"]
    engine.check(watch.container(), argv, timeout=watch.TIMEOUT, what="retrying mail in the queue")
    audit.record("stack.queue_retried", f"mail {queue_id}" if queue_id else "all mail")
    return 1 if queue_id else count - sum(mail.queue == "hold" for mail in mails)
