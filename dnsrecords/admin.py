"""The DNS tab's pages."""

from __future__ import annotations

from dnsrecords.console import options, publishing, tab
from quazzar.console import site

site.PAGES += tab.urlpatterns + options.urlpatterns + publishing.urlpatterns
