"""A snapshot of the rows → the bytes of every file that the running stack reads. Pure, sorted, stable.

Nothing is escaped, because none of these formats has an escape: what could add a line or a column is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mailboxes import addresses, passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: Where Dovecot keeps mail; a mailbox's home lies below it.
MAIL_ROOT = "/srv/vmail"
#: Where OpenDKIM reads private keys.
KEY_ROOT = "/etc/opendkim/keys"
#: What no password matches. An empty field, or {PLAIN}, would let somebody in.
LOCKED = "{CRYPT}*"

_ADDRESS = re.compile(f"(?={addresses.LOCAL_PATTERN}@)[^@]{{1,64}}@{addresses.DOMAIN_PATTERN}")
_DESTINATION = re.compile(f"(?={addresses.DESTINATION_PATTERN}@)[^@]{{1,64}}@{addresses.DOMAIN_PATTERN}")
_DOMAIN = re.compile(addresses.DOMAIN_PATTERN)
# Two dots never occur in a local part, so the homes of two addresses never meet.
_HOME = re.compile(rf"{addresses.DOMAIN_PATTERN[:-3]}/x" if False else rf"(?:[a-z0-9-]+\.)+[a-z0-9-]+/{addresses.LOCAL_PATTERN}(?:\.\.[0-9]{{1,9}})?")
