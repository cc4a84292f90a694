"""Rows for tests, as they are once they are saved; for what is tested itself the domain functions are called."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import Model

from mailboxes.models import Alias, DkimKey, Domain, Mailbox, Stack
from quazzar.sealing.values import Sealed

#: Says yes to the policy.
PASSWORD = "plum-Tundra-77-kettle"
#: Has the form of a hash; no password fits.
HASH = "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2E$" + "A" * 43


def stack(**columns: Any) -> Stack:
    """The one row, with these columns."""
    return Stack.objects.update_or_create(pk=1, defaults=columns)[0]


def domain(
    name: str = "example.com",
    *,
    dkim_selector: str = "quazzar",
    dkim_private_key: str = "",
    dkim_public_key: str = "",
    **columns: Any,
) -> Domain:
    """A domain, with a DKIM key that signs if one of its halves is given; the same again for the same name."""
    row, created = Domain.objects.get_or_create(name=name, defaults=columns)
    if created and (dkim_private_key or dkim_public_key):
        private_key = dkim_private_key or "key\n"
        dkim_key(row, selector=dkim_selector, private_key=private_key, public_key=dkim_public_key)
    return row


def dkim_key(
    of_domain: Domain,
    algorithm: str = DkimKey.Algorithm.RSA,
    *,
    state: str = DkimKey.State.SIGNING,
    private_key: str | None = "key\n",
    **columns: Any,
) -> DkimKey:
    """A DKIM key of the domain, one that signs unless told otherwise."""
    columns |= {"domain": of_domain, "algorithm": algorithm, "state": state, "private_key": private_key}
    return DkimKey.objects.create(**columns)


def mailbox(address: str = "ada@example.com", **columns: Any) -> Mailbox:
    """A mailbox without a password, with its domain."""
    local_part, _, name = address.rpartition("@")
    columns = {"home": f"{name}/{local_part}", **columns}
    return Mailbox.objects.create(domain=domain(name), local_part=local_part, address=address, **columns)


def alias(address: str = "info@example.com", *destinations: str, **columns: Any) -> Alias:
    """An alias, to ada@example.com unless told otherwise, with its domain."""
    local_part, _, name = address.rpartition("@")
    targets = [*destinations] or ["ada@example.com"]
    return Alias.objects.create(
        domain=domain(name), local_part=local_part, address=address, destinations=targets, **columns
    )


def spoil(row: Model, column: str) -> None:
    """What is sealed there cannot be opened any more, as after a lost key file."""
    with connection.cursor() as cursor:
        table, name = (connection.ops.quote_name(text) for text in (row._meta.db_table, column))
        cursor.execute(f"UPDATE {table} SET {name} = %s WHERE id = %s", [b"sealed elsewhere", row.pk])


def opened(secret: Sealed[str] | None) -> str:
    """What was sealed; there is something."""
    assert secret is not None
    return secret.reveal()
