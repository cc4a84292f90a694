"""Who may see and change what in the Mailboxes tab."""

from __future__ import annotations

from functools import partial
from typing import Any

from quazzar import rights
from quazzar.console import gate

see_server = rights.SEE_SERVER
change_server = rights.CHANGE_SERVER
see_mailboxes = rights.SEE_MAILBOXES
add_mailboxes = rights.ADD_MAILBOXES
change_mailboxes = rights.CHANGE_MAILBOXES
delete_mailboxes = rights.DELETE_MAILBOXES
see_domains = rights.SEE_DOMAINS
add_domains = rights.ADD_DOMAINS
change_domains = rights.CHANGE_DOMAINS
delete_domains = rights.DELETE_DOMAINS
see_aliases = rights.SEE_ALIASES
add_aliases = rights.ADD_ALIASES
change_aliases = rights.CHANGE_ALIASES
delete_aliases = rights.DELETE_ALIASES
see_tab = see_server | see_mailboxes

page = gate.page
#: Reading the address of a view that changes something leads to the tab.
change = partial(gate.change, back="admin:mail_boxes")

_IN_TEMPLATES = {
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
    return {name: right(user) for name, right in _IN_TEMPLATES.items()}
