"""The only writers of domains, mailboxes and aliases: API, console and commands all come through here."""

from __future__ import annotations

from mailboxes.provisioning.aliases import (
    add_alias,
    change_alias,
    remove_alias,
    remove_aliases,
    set_aliases_enabled,
)
from mailboxes.provisioning.domains import add_domain, change_domain, remove_domain, remove_domains
from mailboxes.provisioning.mailboxes import (
    add_mailbox,
    change_mailbox,
    remove_mailbox,
    remove_mailboxes,
    restore_mailbox,
    set_enabled,
)

__all__ = [
    "add_alias",
    "add_domain",
    "add_mailbox",
    "change_alias",
    "change_domain",
    "change_mailbox",
    "remove_alias",
    "remove_aliases",
    "remove_domain",
    "remove_domains",
    "remove_mailbox",
    "remove_mailboxes",
    "restore_mailbox",
    "set_aliases_enabled",
    "set_enabled",
]
