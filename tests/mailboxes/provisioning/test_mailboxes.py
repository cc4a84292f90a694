"""Mailboxes: added, changed, deleted, restored; the password is hashed, sealed, and nowhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailboxes.models import Domain, Mailbox, Stack
from mailboxes.provisioning import passwords
from mailboxes.provisioning.aliases import add_alias, remove_alias
from mailboxes.provisioning.domains import remove_domain
from mailboxes.provisioning.mailboxes import (
    add_mailbox,
    change_mailbox,
    remove_mailbox,
    remove_mailboxes,
    restore_mailbox,
    set_mailboxes_enabled,
)
from quazzar.errors import AlreadyExists, InvalidFields, NotFound, QuazzarError
from quazzar.models import AuditEntry
from quazzar.sealing import agreement
from tests.mailboxes import factories
from tests.mailboxes.factories import PASSWORD, opened

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    return factories.domain()


@pytest.fixture
def box() -> Mailbox:
    """A mailbox that the stack has."""
    return factories.mailbox(
        applied_at=timezone.now(), live_at=timezone.now(), password_hash="{ARGON2ID}$old"
    )


def generation() -> int:
    return Stack.load().desired_generation


def audited() -> list[tuple[str, str, list[str]]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "target", "fields"))


def refused(call: Callable[[], object]) -> dict[str, list[str]]:
    with pytest.raises(InvalidFields) as caught:
        call()
    return caught.value.fields


# --- adding ------------------------------------------------------------------------------------------------
def test_a_new_mailbox_is_on_its_way(domain: Domain) -> None:
    row = add_mailbox(domain.pk, " Ada", quota_mb=100, display_name=" Ada L. ")
    saved = Mailbox.objects.get(pk=row.pk)
    assert (saved.address, saved.local_part, saved.domain) == ("ada@example.com", "ada", domain)
    assert (saved.quota_mb, saved.display_name, saved.home) == (100, "Ada L.", "example.com/ada")
    assert (saved.enabled, saved.can_send, saved.can_receive) == (True, True, True)
    assert (saved.generation, saved.synced, saved.live_at) == (1, False, None)
    [(action, target, fields)] = audited()
    assert (action, target) == ("mailbox.added", "ada@example.com")
    assert {"display_name", "enabled", "quota_mb"} <= set(fields) and "password" not in fields


def test_the_password_is_hashed_and_without_one_nobody_can_log_in(domain: Domain) -> None:
    row = add_mailbox(domain.pk, "ada", password=PASSWORD)
    assert passwords.verify(opened(Mailbox.objects.get().password_hash), PASSWORD)
    assert "password" in audited()[0][2]
    assert row.password_state == "saved"
    for absent in (None, ""):
        bare = add_mailbox(domain.pk, f"bob{absent}", password=absent)
        assert (bare.password_hash, bare.password_state) == (None, "none")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("local_part", ""), ("local_part", "a b"), ("local_part", "a:b"), ("local_part", "a\nb"), ("local_part", 5),
        ("local_part", "a+b"), ("local_part", "a" * 65), ("local_part", "-a"), ("local_part", "a@b"),
        ("password", "short"), ("password", "with\nline break"), ("password", 12345678901),
        ("quota_mb", -1), ("quota_mb", 2**31), ("quota_mb", 1.5), ("quota_mb", True), ("quota_mb", "5"),
        ("display_name", "a\nb"), ("display_name", "a\n"), ("display_name", "a\x00b"), ("display_name", "a\u2028b"),
        ("display_name", "x" * 201), ("display_name", None), ("display_name", "\ud800"),
        ("enabled", "yes"), ("can_send", 1), ("can_receive", None),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(domain: Domain, field: str, value: Any) -> None:
    fields = {"local_part": "ada", field: value}
    assert refused(lambda: add_mailbox(domain.pk, **fields)).keys() == {field}
    assert not Mailbox.objects.exists() and generation() == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("quota_mb", 0), ("quota_mb", 2**31 - 1), ("display_name", "x" * 200), ("display_name", "Zoë ☕"),
     ("local_part", "a" * 64), ("local_part", "o'hara.b-c_d&e~f")],
)  # fmt: skip
def test_what_just_fits_is_taken(domain: Domain, field: str, value: Any) -> None:
    row = add_mailbox(domain.pk, **{"local_part": "ada", field: value})
    assert getattr(Mailbox.objects.get(pk=row.pk), field) == value


def test_all_that_is_wrong_is_said_at_once(domain: Domain) -> None:
    fields = refused(lambda: add_mailbox(domain.pk, "a b", password="x", quota_mb=-1))
    assert fields.keys() == {"local_part", "password", "quota_mb"}


def test_the_address_itself_is_no_password(domain: Domain) -> None:
    fields = refused(lambda: add_mailbox(domain.pk, "longlocalpart", password="longlocalpart@example.com"))
    assert fields.keys() == {"password"}


def test_a_domain_that_is_not_there_is_named(domain: Domain) -> None:
    assert refused(lambda: add_mailbox(domain.pk + 1, "ada")).keys() == {"domain"}
    assert refused(lambda: add_mailbox(2**63 - 1, "ada")).keys() == {"domain"}


def test_an_address_too_long_for_mail_is_refused() -> None:
    long = factories.domain(".".join(["a" * 63] * 3) + ".example")
    assert add_mailbox(long.pk, "a" * 40).pk
    assert refused(lambda: add_mailbox(long.pk, "a" * 60)).keys() == {"local_part"}


def test_an_address_is_a_mailbox_or_an_alias_and_once(domain: Domain) -> None:
    add_mailbox(domain.pk, "ada")
    factories.alias("info@example.com")
    with pytest.raises(AlreadyExists, match="The mailbox ada@"):
        add_mailbox(domain.pk, "ADA")
    with pytest.raises(AlreadyExists, match="The alias info@"):
        add_mailbox(domain.pk, "info")
    assert add_mailbox(factories.domain("example.org").pk, "ada").pk


@pytest.mark.slow
def test_the_same_address_made_again_starts_in_an_empty_place(domain: Domain) -> None:
    homes = []
    for _ in range(12):
        row = add_mailbox(domain.pk, "ada")
        homes.append(row.home)
        remove_mailbox(row.pk)
    assert homes == ["example.com/ada", *(f"example.com/ada..{number}" for number in range(2, 13))]


def test_the_number_of_queries_is_small_and_does_not_grow(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Which key is in force is asked on PostgreSQL now and then, and not for each write.
    monkeypatch.setattr(agreement, "_holds", lambda _: True)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            add_mailbox(domain.pk, f"box{Mailbox.objects.count()}", password=PASSWORD)
        return len(captured) - 1  # the count above

    factories.stack()
    first = queries()
    for number in range(50):
        factories.mailbox(f"more{number}@example.com")
    assert queries() == first <= 10


def test_none_of_the_queries_reads_a_whole_table(domain: Domain) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("The plan is in SQLite's words.")
    with CaptureQueriesContext(connection) as captured:
        add_mailbox(domain.pk, "ada")
    reads = [query["sql"] for query in captured if query["sql"].startswith("SELECT")]
    with connection.cursor() as cursor:
        plans = [cursor.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall() for sql in reads]
    assert len(plans) >= 3
    assert not [
        step for plan in plans for *_, step in plan if step.startswith("SCAN") and "CONSTANT" not in step
    ]


@pytest.mark.django_db(transaction=True)
def test_the_worker_is_called_once_it_is_committed_and_not_for_what_is_not(rung: list[str]) -> None:
    domain = factories.domain()
    with transaction.atomic():
        add_mailbox(domain.pk, "ada")
        assert rung == []
    assert rung == ["stack"]
    with pytest.raises(RuntimeError), transaction.atomic():
        add_mailbox(domain.pk, "bob")
        raise RuntimeError
    with pytest.raises(AlreadyExists):
        add_mailbox(domain.pk, "ada")
    assert rung == ["stack"]


@pytest.mark.django_db(transaction=True)
def test_of_several_that_add_the_same_address_at_once_one_succeeds(rung: list[str]) -> None:
    domain, begin, outcomes = factories.domain(), threading.Barrier(4), []

    def add(number: int) -> None:
        begin.wait(timeout=30)
        try:
            if number % 2:
                add_mailbox(domain.pk, "ada")
            else:
                add_alias(domain.pk, "ada", ["x@example.org"])
            outcomes.append("added")
        except QuazzarError as exc:
            outcomes.append(exc.code)
        finally:
            connection.close()

    in_threads(add, 4)
    assert sorted(outcomes) == ["added"] + ["already_exists"] * 3
    assert (generation(), rung) == (1, ["stack"])


@pytest.mark.django_db(transaction=True)
def test_changes_at_the_same_moment_each_get_a_generation(rung: list[str]) -> None:
    domain, begin = factories.domain(), threading.Barrier(4)

    def add(number: int) -> None:
        begin.wait(timeout=30)
        try:
            add_mailbox(domain.pk, f"box{number}")
        finally:
            connection.close()

    in_threads(add, 4)
    assert sorted(Mailbox.objects.values_list("generation", flat=True)) == [1, 2, 3, 4]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_no_file_of_the_database_holds_the_password(rung: list[str]) -> None:
    row = add_mailbox(factories.domain().pk, "ada", password=PASSWORD)
    change_mailbox(row.pk, {"password": f"{PASSWORD}-2"})
    if connection.vendor != "sqlite":
        pytest.skip("The files are the server's.")
    files = Path(connection.settings_dict["NAME"]).parent.glob("test.sqlite3*")
    stored = b"".join(file.read_bytes() for file in files)
    assert b"ada@example.com" in stored
    assert PASSWORD.encode() not in stored and b"$argon2id$" not in stored


# --- changing ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quota_mb", 5),
        ("display_name", "Ada"),
        ("enabled", False),
        ("can_send", False),
        ("can_receive", False),
    ],
)
def test_what_is_given_changes_and_is_on_its_way(box: Mailbox, field: str, value: Any) -> None:
    row = change_mailbox(box.pk, {field: value})
    saved = Mailbox.objects.get()
    assert getattr(row, field) == getattr(saved, field) == value
    assert (saved.generation, saved.synced) == (1, False)
    assert saved.live_at is not None
    assert audited() == [("mailbox.changed", "ada@example.com", [field])]


def test_a_new_password_replaces_the_old_an_empty_one_keeps_it_and_none_removes_it(box: Mailbox) -> None:
    change_mailbox(box.pk, {"password": PASSWORD})
    hashed = opened(Mailbox.objects.get().password_hash)
    assert passwords.verify(hashed, PASSWORD)
    change_mailbox(box.pk, {"password": ""})
    assert opened(Mailbox.objects.get().password_hash) == hashed
    change_mailbox(box.pk, {"password": None})
    assert Mailbox.objects.get().password_hash is None
    assert [fields for _, _, fields in audited()] == [["password"], ["password"]]


def test_a_change_that_changes_nothing_leaves_no_trace(box: Mailbox) -> None:
    same = {"quota_mb": 0, "enabled": True, "password": "", "domain": box.domain_id, "local_part": "Ada"}
    for fields in ({}, same):
        assert change_mailbox(box.pk, fields).synced
    assert (generation(), audited()) == (0, [])


def test_a_refused_change_saves_nothing(box: Mailbox) -> None:
    fields = refused(lambda: change_mailbox(box.pk, {"quota_mb": 5, "password": "short"}))
    assert fields.keys() == {"password"}
    assert Mailbox.objects.get().quota_mb == 0


def test_the_address_stays(box: Mailbox) -> None:
    other = factories.domain("example.org")
    moved = {"domain": other.pk, "local_part": "bob"}
    fields = refused(lambda: change_mailbox(box.pk, moved))
    assert fields.keys() == {"domain", "local_part"}
    assert "cannot change" in fields["domain"][0]


def test_what_the_worker_wrote_meanwhile_is_kept(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def while_hashing(plain: str) -> str:
        Mailbox.objects.update(usage_bytes=77)
        return "{ARGON2ID}$new"

    monkeypatch.setattr(passwords, "hash_password", while_hashing)
    change_mailbox(box.pk, {"password": PASSWORD})
    assert Mailbox.objects.get().usage_bytes == 77


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_while_a_password_is_hashed(rung: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[bool] = []

    def hashed(plain: str) -> str:
        inside.append(connection.in_atomic_block)
        return "{ARGON2ID}$new"

    monkeypatch.setattr(passwords, "hash_password", hashed)
    row = add_mailbox(factories.domain().pk, "ada", password=PASSWORD)
    change_mailbox(row.pk, {"password": PASSWORD})
    assert inside == [False, False]


def test_what_is_deleted_or_never_was_is_a_404(box: Mailbox) -> None:
    remove_mailbox(box.pk)
    for pk in (box.pk, 99):
        for call in (
            remove_mailbox,
            lambda pk: change_mailbox(pk, {"quota_mb": 1}),
        ):
            with pytest.raises(NotFound):
                call(pk)
    assert generation() == 1


# --- many at once ------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_many_are_disabled_in_one_change(rung: list[str]) -> None:
    on = [factories.mailbox(f"box{number}@example.com", applied_at=timezone.now()).pk for number in range(3)]
    off = factories.mailbox("off@example.com", enabled=False, applied_at=timezone.now()).pk
    assert set_mailboxes_enabled([*on, off, 999], False) == 3
    assert (generation(), rung, len(audited())) == (1, ["stack"], 3)
    assert [*Mailbox.objects.filter(applied_at=None).values_list("pk", flat=True)] == on
    assert set_mailboxes_enabled([*on, off], False) == 0
    assert (generation(), rung) == (1, ["stack"])


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_many_are_deleted_in_one_change(rung: list[str]) -> None:
    factories.domain()
    Mailbox.objects.bulk_create(
        Mailbox(domain=factories.domain(), address=f"b{n}@example.com", home=f"example.com/b{n}")
        for n in range(620)
    )
    ids = [*Mailbox.objects.values_list("pk", flat=True)]
    assert remove_mailboxes(ids) == 620
    assert (generation(), rung, len(audited())) == (1, ["stack"], 620)
    assert remove_mailboxes(ids) == 0


# --- deleting and restoring --------------------------------------------------------------------------------
def test_a_deleted_mailbox_is_out_of_sight_and_its_address_free(box: Mailbox) -> None:
    remove_mailbox(box.pk)
    saved = Mailbox.objects.get()
    assert saved.deleted_at is not None and saved.removed_at is None
    assert (saved.generation, saved.synced) == (1, False)
    assert audited() == [("mailbox.removed", "ada@example.com", [])]
    again = add_mailbox(box.domain_id, "ada")  # type: ignore[arg-type]
    assert again.home != box.home


def test_a_restored_mailbox_is_as_it_was_and_new_to_the_stack(box: Mailbox) -> None:
    remove_mailbox(box.pk)
    Mailbox.objects.update(removed_at=timezone.now())
    restore_mailbox(box.pk)
    saved = Mailbox.objects.get()
    assert (saved.home, opened(saved.password_hash)) == (box.home, "{ARGON2ID}$old")
    assert (saved.deleted_at, saved.removed_at, saved.live_at, saved.applied_at) == (None,) * 4
    assert audited()[-1] == ("mailbox.restored", "ada@example.com", [])


def test_a_mailbox_whose_address_is_taken_is_not_restored(box: Mailbox) -> None:
    remove_mailbox(box.pk)
    alias = add_alias(box.domain_id, "ada", ["bob@example.com"])  # type: ignore[arg-type]
    with pytest.raises(AlreadyExists, match="The alias"):
        restore_mailbox(box.pk)
    remove_alias(alias.pk)
    add_mailbox(box.domain_id, "ada")  # type: ignore[arg-type]
    with pytest.raises(AlreadyExists, match="The mailbox"):
        restore_mailbox(box.pk)


def test_a_mailbox_comes_back_once_its_domain_is_there_again(box: Mailbox) -> None:
    remove_mailbox(box.pk)
    remove_domain(box.domain_id)  # type: ignore[arg-type]
    assert "example.com was deleted too" in refused(lambda: restore_mailbox(box.pk))["domain"][0]
    domain = factories.domain()
    assert restore_mailbox(box.pk).domain_id == domain.pk


def test_what_is_not_deleted_or_deleted_too_long_ago_is_not_restored(box: Mailbox, settings: Any) -> None:
    settings.QUAZZAR_RESTORE_DAYS = 3
    with pytest.raises(NotFound):
        restore_mailbox(box.pk)
    Mailbox.objects.update(deleted_at=timezone.now() - timedelta(days=3))
    with pytest.raises(NotFound):
        restore_mailbox(box.pk)
    Mailbox.objects.update(deleted_at=timezone.now() - timedelta(days=2))
    assert restore_mailbox(box.pk).deleted_at is None


def in_threads(work: Callable[[int], None], number: int) -> None:
    threads = [threading.Thread(target=work, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
