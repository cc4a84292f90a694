"""Who may see and change what in the Mailboxes tab."""

from __future__ import annotations

from functools import partial
from typing import Any

from quazzar.console import gate
from quazzar.console.gate import Allowed


def may(*codenames: str) -> Allowed:
    """Whether a user has at least one of these permissions of this app."""
    return gate.may(*(f"mailboxes.{codename}" for codename in codenames))


see_server = may("view_stack", "change_stack")
change_server = may("change_stack")
see_mailboxes = may("view_mailbox", "change_mailbox")
add_mailboxes = may("add_mailbox")
change_mailboxes = may("change_mailbox")
delete_mailboxes = may("delete_mailbox")
see_domains = may("view_domain", "change_domain")
add_domains = may("add_domain")
change_domains = may("change_domain")
delete_domains = may("delete_domain")
see_aliases = may("view_alias", "change_alias")
add_aliases = may("add_alias")
change_aliases = may("change_alias")
delete_aliases = may("delete_alias")
see_tab = may("view_stack", "change_stack", "view_mailbox", "change_mailbox")

page = gate.page
#: Reading the address of a view that changes something leads to the tab.
change = partial(gate.change, back="admin:mail_boxes")

_IN_TEMPLATES: dict[str, Allowed] = {
    "see_server": see_server,
    "change_server": change_server,
    "see_mailboxes": see_mailboxes,
    "add_mailboxes": add_mailboxes,
    "change_mailboxes": change_mailboxes,
    "delete_mailboxes": delete_mailboxes,
    "see_domains": see_domains,
    "add_domains": add_domains,
    "change_domains": change_domains,
    "delete_domains": delete_domains,
    "see_aliases": see_aliases,
    "add_aliases": add_aliases,
    "change_aliases": change_aliases,
    "delete_aliases": delete_aliases,
}


def permissions(user: Any) -> dict[str, bool]:
    """What templates read as ``may.…``."""
    return {name: allowed(user) for name, allowed in _IN_TEMPLATES.items()}
