"""The DNS tab's pages."""

from __future__ import annotations

from dnsrecords import console as tab
from dnsrecords import optionconsole, publishconsole
from quazzar import console

console.PAGES += tab.urlpatterns + optionconsole.urlpatterns + publishconsole.urlpatterns
