"""Addresses of routes that name a row."""

from __future__ import annotations

import re


def with_rows(address: str, rows: dict[str, int]) -> str:
    """The address of a route with the id of a row that is there in place of the 1; ``rows`` is the fixture's."""
    number = next((pk for start, pk in rows.items() if address.startswith(start)), 1)
    return re.sub(r"/1(?=/|$)", f"/{number}", address)
