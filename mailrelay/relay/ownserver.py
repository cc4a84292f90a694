"""Whether the relay takes an envelope sender now: the node's own mail server, as a relay, has to be told first.

What looks after that mail server says so (``mailboxes/own``).
"""

from __future__ import annotations

from collections.abc import Callable

_takes: Callable[[str, str], bool] = lambda login, address: True  # noqa: E731


def register(takes: Callable[[str, str], bool]) -> None:
    """Take over what only the owner of the mail server knows.

    Args:
        takes: whether who signs in by this name may use this address; True for any other server.
    """
    global _takes
    _takes = takes


def takes(login: str, address: str) -> bool:
    """Whether a relay lets this login give this address as the envelope sender, as far as this node knows."""
    return _takes(login.lower(), address.lower())
