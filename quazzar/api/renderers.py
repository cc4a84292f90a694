"""The browsable API: every endpoint as a page, for operators who are signed in to the console."""

from __future__ import annotations

from rest_framework.renderers import BrowsableAPIRenderer


class ConsolePages(BrowsableAPIRenderer):
    """A page with the answer and a form for each method. Only a session of the console gets it: negotiation.py."""
