"""Adds the pages of captured mail to the console."""

from __future__ import annotations

from demo import console
from quazzar.console import site

site.PAGES += console.ROUTES
