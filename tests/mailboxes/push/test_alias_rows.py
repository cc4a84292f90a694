"""The aliases table as Postfix reads it: whatever the rows say, mail gets in, and to the right places."""

from __future__ import annotations

import random

import pytest

from mailboxes.provisioning.routing import Kind
from mailboxes.push import aliasrows, render
from mailboxes.push.entries import DomainEntry, MailboxEntry, Snapshot
from tests.mailboxes.goldencases import ADA, BOB, box, snapshot_of
from tests.mailboxes.readers import postfix_table
from tests.mailboxes.trials import case

#: postconf(5), virtual_alias_recursion_limit and virtual_alias_expansion_limit.
_LIMIT = 1000


class NotAccepted(Exception):
    """Postfix answers 451 4.6.0 Alias expansion error."""


def expanded(address: str, table: dict[str, str]) -> set[str]:
    """What Postfix's cleanup(8) makes of a recipient (src/cleanup/cleanup_map1n.c, src/global/mail_addr_map.c)."""
    addresses, been_here = [address], set[str]()
    at = 0
    while at < len(addresses):
        if len(addresses) > _LIMIT:
            raise NotAccepted
        for count in range(_LIMIT + 1):
            here = addresses[at]
            if here in been_here:
                break
            if count >= _LIMIT:
                raise NotAccepted
            found = _found(here, table)
            if not found:
                break
            if here in found:
                been_here.add(here)
            addresses[at] = found[0]
            addresses += found[1:]
            if max(map(len, found)) > _LIMIT:
                raise NotAccepted
        at += 1
    return set(addresses)


def _found(address: str, table: dict[str, str]) -> list[str]:
    """The exact row, the row without the tag, whose tag the results then get, or the row of the domain."""
    local, _, domain = address.partition("@")
    bare, plus, tag = local.partition("+")
    if row := table.get(address):
        return row.split(",")
    if plus and (row := table.get(f"{bare}@{domain}")):
        return [f"{name}+{tag}@{at}" for name, at in (to.split("@") for to in row.split(","))]
    return row.split(",") if (row := table.get(f"@{domain}")) else []


def table_of(snapshot: Snapshot) -> dict[str, str]:
    return dict(postfix_table(render.aliases_table(snapshot)))


def untagged(addresses: set[str]) -> set[str]:
    return {f"{a.partition('@')[0].partition('+')[0]}@{a.partition('@')[2]}" for a in addresses}


def test_the_circle_through_a_catch_all_lets_mail_in() -> None:
    snapshot = snapshot_of(
        ADA,
        domains=(DomainEntry("example.com"), DomainEntry("b.example", catch_all="ring@example.com")),
        aliases={"ring@example.com": ("anything@b.example", "out@victim.example")},
    )
    for to in ("zzz@b.example", "ring@example.com", "ring+tag@example.com"):
        with case(to):
            assert untagged(expanded(to, table_of(snapshot))) == {"out@victim.example"}


def test_a_mailbox_forwards_and_keeps_a_copy_or_not() -> None:
    to = ("bob@example.com", "ada@elsewhere.example")
    keeps, passes_on = (box(forward_to=to, keep_copy=keep) for keep in (True, False))
    assert expanded("ada@example.com", table_of(snapshot_of(keeps, BOB))) == {"ada@example.com", *to}
    assert expanded("ada@example.com", table_of(snapshot_of(passes_on, BOB))) == set(to)
    assert expanded("ada@example.com", table_of(snapshot_of(box(keep_copy=False)))) == {"ada@example.com"}


def test_a_mailbox_that_would_lose_mail_keeps_it() -> None:
    dead = box(forward_to=("gone@example.com",), keep_copy=False)
    assert table_of(snapshot_of(dead)) == {"ada@example.com": "ada@example.com"}
    ring = [
        box(forward_to=("bob@example.com",), keep_copy=False),
        box("bob@example.com", forward_to=("ada@example.com",), keep_copy=False),
    ]
    assert expanded("ada@example.com", table_of(snapshot_of(*ring))) & {"ada@example.com", "bob@example.com"}


def test_two_mailboxes_that_share_their_mail_both_get_it() -> None:
    one = box(forward_to=("bob+from-ada@example.com",))
    two = box("bob@example.com", forward_to=("ada@example.com",))
    for to in ("ada@example.com", "bob@example.com", "ada+tag@example.com"):
        with case(to):
            got = untagged(expanded(to, table_of(snapshot_of(one, two))))
            assert got == {"ada@example.com", "bob@example.com"}


def test_a_mailbox_that_does_not_receive_forwards_nothing() -> None:
    assert table_of(snapshot_of(box(can_receive=False, forward_to=("x@elsewhere.example",)))) == {}


# --- any rows ----------------------------------------------------------------------------------------------
def _any_rows(seed: int) -> Snapshot:
    choose = random.Random(seed)
    names = [f"{letter}@{domain}" for letter in "abcd" for domain in ("one.example", "two.example")]
    targets = [
        *names,
        "x@one.example",
        "y@two.example",
        "out@far.example",
        "a+tag@one.example",
        "postmaster@one.example",
    ]
    choose.shuffle(names)

    def some(most: int) -> tuple[str, ...]:
        return tuple(choose.sample(targets, choose.randint(1, most)))

    boxes = [
        MailboxEntry(
            name,
            "/".join(reversed(name.split("@"))),
            forward_to=tuple(to for to in some(2) if to != name) if choose.random() < 0.5 else (),
            keep_copy=choose.random() < 0.5,
            can_receive=choose.random() < 0.9,
        )
        for name in names[: choose.randint(0, 4)]
    ]
    aliases = {name: tuple(to for to in some(3) if to != name) or ("out@far.example",) for name in names[4:]}
    domains = tuple(
        DomainEntry(
            domain,
            catch_all=choose.choice(["", choose.choice(targets)]),
            contact=choose.choice(["", choose.choice(targets)]),
        )
        for domain in ("one.example", "two.example")
    )
    operators = choose.choice([(), ("op@far.example",), ("a@one.example", "b@two.example")])
    return snapshot_of(
        *boxes, aliases=aliases, domains=domains, operators=operators, hostname="mail.one.example"
    )


@pytest.mark.slow
def test_whatever_the_rows_say_mail_that_is_taken_arrives_where_they_lead() -> None:
    for seed in range(600):
        snapshot = _any_rows(seed)
        table = table_of(snapshot)
        routes = aliasrows.routes_of(aliasrows.directory_of(snapshot))
        keeps = {mailbox.address for mailbox in snapshot.mailboxes if mailbox.can_receive}
        for key in table.keys() - {"mail.one.example"}:
            with case(seed, key):
                to = f"nobody-here{key}" if key.startswith("@") else key
                got = untagged(expanded(to, table))
                # Nothing that was taken goes to an address of ours that does not exist.
                assert all(address in keeps or address.endswith("@far.example") for address in got)
                if key in routes.hops:
                    assert got == untagged(set(routes.ends(key)))
        for mailbox in keeps:
            with case(seed, mailbox):
                assert expanded(mailbox, table)
        for role in ("postmaster@one.example", "abuse@two.example", "root@mail.one.example"):
            with case(seed, role):
                if snapshot.operators == ("op@far.example",):
                    assert expanded(role, table) != {role} or role in keeps


def test_a_role_address_is_taken_though_its_alias_leads_to_nobody() -> None:
    snapshot = snapshot_of(
        ADA, aliases={"abuse@example.com": ("gone@example.com",)}, operators=("op@far.example",)
    )
    assert table_of(snapshot)["abuse@example.com"] == "op@far.example"


def test_the_contact_of_a_domain_gets_the_mail_of_its_role_addresses() -> None:
    one = DomainEntry("example.com", contact="ada@example.com", catch_all="bob@example.com")
    two = DomainEntry("b.example", contact="gone@example.com")
    table = table_of(snapshot_of(ADA, BOB, domains=(one, two), operators=("op@far.example",)))
    assert table["postmaster@example.com"] == table["abuse@example.com"] == "ada@example.com"
    # The catch-all of example.com takes what is for gone@, so that is where the contact of b.example leads.
    assert table["abuse@b.example"] == "gone@example.com"
    assert Kind.ROLE in {hop.kind for hop in aliasrows.routes_of(aliasrows.directory_of(snapshot_of(
        ADA, domains=(one,)))).hops.values()}  # fmt: skip
