"""Who may see and change what in the DNS tab."""

from __future__ import annotations

from quazzar.console import gate

see = gate.may("mailboxes.view_domain", "mailboxes.change_domain")
may_change = gate.may("mailboxes.change_domain", "mailboxes.add_domain")
#: Reading the address of a view that changes something leads to the tab.
change = gate.change(may_change, "admin:dns_overview")
