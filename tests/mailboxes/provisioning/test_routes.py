"""Circles are refused whichever row is changed last, and what leads to nobody is named."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from mailboxes.models import Alias, Domain, Mailbox
from mailboxes.provisioning import deadends
from mailboxes.provisioning.aliases import add_alias, change_alias, remove_alias, set_aliases_enabled
from mailboxes.provisioning.domains import add_domain, change_domain, remove_domain
from mailboxes.provisioning.mailboxes import (
    add_mailbox,
    change_mailbox,
    remove_mailbox,
    remove_mailboxes,
    restore_mailbox,
)
from mailboxes.provisioning.routes import MailCircle
from mailrelay.models import RelaySettings
from quazzar.errors import InvalidFields, QuazzarError
from tests.mailboxes import factories
from tests.mailboxes.trials import case, trial

pytestmark = pytest.mark.django_db
Change = Callable[[], Any]


@pytest.fixture(autouse=True)
def _domains() -> None:
    for name in ("a.example", "b.example"):
        factories.domain(name)


def id_of(name: str) -> int:
    return Domain.objects.get(name=name).pk


def alias(address: str, *to: str) -> Change:
    local, _, name = address.partition("@")
    return lambda: add_alias(id_of(name), local, to)


def catch_all(name: str, to: str) -> Change:
    return lambda: change_domain(id_of(name), {"catch_all": to})


def contact(name: str, to: str) -> Change:
    return lambda: change_domain(id_of(name), {"contact": to})


def forwarding(address: str, *to: str, keep: bool = True) -> Change:
    local, _, name = address.partition("@")
    return lambda: add_mailbox(id_of(name), local, forward_to=to, keep_copy=keep)


#: What together forms a circle, and is fine without any one of its parts.
CIRCLES: list[list[Change]] = [
    [
        alias("ring@a.example", "anything@b.example", "out@far.example"),
        catch_all("b.example", "ring@a.example"),
    ],
    [alias("one@a.example", "two@a.example"), alias("two@a.example", "x@far.example", "one+tag@a.example")],
    [alias("i@a.example", "typo@a.example"), catch_all("a.example", "i@a.example")],
    [catch_all("a.example", "x@b.example"), catch_all("b.example", "y@a.example")],
    [
        alias("one@a.example", "two@a.example"),
        alias("two@a.example", "three@b.example"),
        catch_all("b.example", "one@a.example"),
    ],
    [forwarding("ada@a.example", "bob@a.example"), forwarding("bob@a.example", "ada@a.example")],
    [
        forwarding("ada@a.example", "team@b.example", keep=False),
        alias("team@b.example", "out@far.example", "ada+x@a.example"),
    ],
    [contact("a.example", "ops@a.example"), alias("ops@a.example", "abuse@a.example", "out@far.example")],
]


@pytest.mark.slow
def test_a_circle_is_refused_whichever_part_comes_last() -> None:
    for number, parts in enumerate(CIRCLES):
        for order in permutations(parts):
            with trial(number, [parts.index(part) for part in order]):
                for change in order[:-1]:
                    change()
                before = list(Alias.objects.values()), list(Domain.objects.values()), Mailbox.objects.count()
                with pytest.raises(InvalidFields) as caught:
                    order[-1]()
                (sentence,) = next(iter(caught.value.fields.values()))
                path = sentence.removeprefix("Mail would be forwarded in a circle: ").rstrip(".").split(" → ")
                assert path[0] == path[-1] and len(path) > 2
                assert before == (
                    list(Alias.objects.values()),
                    list(Domain.objects.values()),
                    Mailbox.objects.count(),
                )


@pytest.mark.slow
def test_a_domain_that_is_added_closes_no_circle() -> None:
    add_alias(id_of("a.example"), "ring", ["x@c.example"])
    with pytest.raises(InvalidFields):
        add_domain("c.example", catch_all="ring@a.example")
    add_domain("c.example", catch_all="ring@far.example")
    remove_domain(id_of("c.example"))
    assert add_domain("c.example")


def refused(change: Change) -> None:
    with pytest.raises(QuazzarError) as caught:
        change()
    assert "circle" in str(getattr(caught.value, "fields", caught.value.message))


def _fell_through() -> None:
    """ring@a → ada@b, and what nobody has in b → ring@a: harmless while ada@b is there."""
    catch_all("b.example", "ring@a.example")()


@pytest.mark.slow
def test_what_goes_away_must_not_drop_its_mail_into_a_circle() -> None:
    with trial("mailbox"):
        box = add_mailbox(id_of("b.example"), "ada")
        alias("ring@a.example", "ada@b.example", "out@far.example")()
        _fell_through()
        changes: list[Change] = [
            lambda: remove_mailbox(box.pk),
            lambda: remove_mailboxes([box.pk]),
            lambda: change_mailbox(box.pk, {"can_receive": False}),
        ]
        for change in changes:
            refused(change)
        assert Mailbox.objects.live().filter(can_receive=True).count() == 1
    with trial("alias"):
        inner = add_alias(id_of("b.example"), "in", ["out@far.example"])
        alias("ring@a.example", "in@b.example")()
        _fell_through()
        changes = [
            lambda: remove_alias(inner.pk),
            lambda: set_aliases_enabled([inner.pk], False),
            lambda: change_alias(inner.pk, {"enabled": False}),
        ]
        for change in changes:
            refused(change)
        assert Alias.objects.filter(enabled=True).count() == 2


def test_a_mailbox_that_is_restored_closes_no_circle() -> None:
    box = add_mailbox(id_of("a.example"), "ada", forward_to=["ring@b.example"])
    remove_mailbox(box.pk)
    alias("ring@b.example", "ada@a.example")()
    with pytest.raises(MailCircle):
        restore_mailbox(box.pk)


def test_what_is_no_circle_is_taken() -> None:
    for label, changes in {
        "a catch-all to its own domain, before the mailbox is there": [
            catch_all("a.example", "ada@a.example")
        ],
        "two ways to one place": [
            alias("end@a.example", "x@far.example"),
            alias("left@a.example", "end@a.example"),
            alias("right@a.example", "end@a.example"),
            alias("top@a.example", "left@a.example", "right@a.example"),
        ],
        "a mailbox that forwards to its own domain's catch-all": [
            catch_all("a.example", "bob@b.example"),
            forwarding("ada@a.example", "typo@a.example"),
        ],
        "the contact has an alias of his own": [
            contact("a.example", "ops@a.example"),
            alias("ops@a.example", "out@far.example"),
            alias("postmaster@a.example", "ops@a.example"),
        ],
    }.items():
        with trial(label):
            for change in changes:
                change()


def test_a_circle_of_before_does_not_keep_other_rows_from_being_changed() -> None:
    factories.alias("one@a.example", "two@a.example")
    factories.alias("two@a.example", "one@a.example")
    assert add_alias(id_of("a.example"), "info", ["ada@far.example"])
    assert change_alias(Alias.objects.get(address="two@a.example").pk, {"destinations": ["x@far.example"]})


# --- dead ends ---------------------------------------------------------------------------------------------
def warnings_of(row: Any) -> list[str]:
    find: Any = {Alias: deadends.of_aliases, Domain: deadends.of_domains, Mailbox: deadends.of_mailboxes}[
        type(row)
    ]
    found: dict[int, list[str]] = find([row])
    return found[row.pk]


def test_an_alias_to_a_mailbox_that_does_not_exist_says_so() -> None:
    factories.mailbox("ada@a.example")
    factories.mailbox("mute@a.example", can_receive=False)
    factories.alias("chain@a.example", "ghost@a.example")
    for to, expected in [
        (["ghost@a.example"], ["Refused: ghost@a.example is not a mailbox here."]),
        (["ghost+tag@a.example"], ["Refused: ghost+tag@a.example is not a mailbox here."]),
        (["mute@a.example"], ["Refused: mute@a.example is not a mailbox here."]),
        (["chain@a.example"], ["Refused: chain@a.example does not lead to any mailbox."]),
        (
            ["ada@a.example", "ghost@a.example"],
            ["ghost@a.example is not a mailbox here. Mail for it is lost."],
        ),
        *([[to], []] for to in ("ada@a.example", "ADA+x@a.example", "x@far.example", "postmaster@a.example")),
    ]:
        with case(to):
            assert warnings_of(factories.alias(f"t{abs(hash(str(to)))}@a.example", *to)) == expected
    change_domain(id_of("a.example"), {"catch_all": "ada@a.example"})
    assert warnings_of(Alias.objects.get(address="chain@a.example")) == []


def test_a_mailbox_that_forwards_to_nobody_says_so() -> None:
    row = factories.mailbox("ada@a.example", forward_to=["ghost@a.example", "x@far.example"])
    assert warnings_of(row) == ["ghost@a.example is not a mailbox here. Mail for it is lost."]
    assert warnings_of(factories.mailbox("bob@a.example")) == []


def test_a_domain_says_where_nobody_reads(django_user_model: Any) -> None:
    row = Domain.objects.get(name="a.example")
    assert "Nobody reads mail for postmaster@a.example and abuse@a.example" in warnings_of(row)[0]
    factories.alias("abuse@a.example", "x@far.example")
    assert "Nobody reads mail for postmaster@a.example, which" in warnings_of(row)[0]
    RelaySettings.objects.create(pk=1, alert_recipients=["ghost@a.example"])
    assert "Nobody reads" in warnings_of(row)[0]
    RelaySettings.objects.update(alert_recipients=["ops@far.example"])
    assert warnings_of(row) == []
    row = change_domain(row.pk, {"catch_all": "ghost@a.example", "contact": "gone@a.example"})
    assert [sentence.partition(". ")[0] for sentence in warnings_of(row)] == [
        "ghost@a.example is not a mailbox here",
        "gone@a.example is not a mailbox here",
    ]
