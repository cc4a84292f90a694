"""People with mailboxes in a running stack, the world outside, and the check that nobody is disturbed."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

from tests.rig.mailclients import Answer, deliver, imap_session, mail, signatures
from tests.rig.standins import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.live.mailstack import Box, MailStack
    from tests.rig.images import Images
    from tests.rig.mailclients import Signature

STRANGER = "someone@outside.test"


class World:
    """A domain with two mailboxes and an alias of the first one."""

    def __init__(self, stack: MailStack, name: str) -> None:
        self.stack, self.server, self.name = stack, stack.server, name
        self.domain = stack.add_domain(name)
        self.alice = stack.add_mailbox(self.domain, "alice")
        self.bob = stack.add_mailbox(self.domain, "bob")
        self.alias = stack.add_alias(self.domain, "sales", self.alice.address)["address"]
        stack.wait_synced()
        self.bob.wait_login()

    def at(self, local_part: str) -> str:
        """An address of this domain."""
        return f"{local_part}@{self.name}"

    def submit(self, subject: str, to: str, *, sender: str = "", header: str = "", port: int = 587) -> Answer:
        """Alice sends a mail. ``header``: another From: than the envelope's sender."""
        sender = sender or self.alice.address
        message = mail(subject, sender=header or sender, to=to)
        return deliver(self.server, message, to, sender=sender, port=port, login=self.alice.login)

    def signatures(self, raw: bytes, domain: str = "") -> list[Signature]:
        """The signatures of a message, verified with the product's public key for the domain."""
        return signatures(raw, public_key(self.stack, domain or self.name))


def public_key(stack: MailStack, domain: str) -> str:
    """What the product publishes in the domain's DKIM record."""
    with contextlib.closing(sqlite3.connect(stack.data / "quazzar.sqlite3")) as database:
        question = (
            "SELECT public_key FROM mailboxes_dkimkey JOIN mailboxes_domain ON mailboxes_domain.id = domain_id "
            "WHERE name = ? AND algorithm = 'rsa' AND state = 'signing'"
        )
        (found,) = database.execute(question, [domain]).fetchone()
    return str(found)


@contextlib.contextmanager
def undisturbed(stack: MailStack, box: Box) -> Iterator[None]:
    """During this time no container is restarted, and a session that was open before still answers at the end."""
    before = stack.started()
    with imap_session(stack.server, box.login) as session:
        yield
        assert session.noop()[0] == "OK"
    assert stack.started() == before


def outside(stack: MailStack, images: Images, names: Sequence[str], **options: Any) -> Sink:
    """Another mail server, which Postfix in the stack finds by these names."""
    return Sink(
        stack.client, images.sink, project=stack.project, network=stack.project, names=names, **options
    )
