"""Who may see and change what in the DNS tab."""

from __future__ import annotations

from quazzar import rights
from quazzar.console import gate

see = rights.SEE_DNS
may_change = rights.CHANGE_DNS
#: A GET for a view that changes something leads to the tab.
change = gate.change(may_change, "admin:dns_overview")
