"""The DNS tab's pages."""

from __future__ import annotations

from dnsrecords.console import options as optionconsole
from dnsrecords.console import publishing as publishconsole
from dnsrecords.console import tab
from quazzar.console import site as console

console.PAGES += tab.urlpatterns + optionconsole.urlpatterns + publishconsole.urlpatterns
