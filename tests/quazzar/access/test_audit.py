"""The audit log: who changed what, added to and never rewritten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from rest_framework.test import APIClient

from quazzar import actors
from quazzar.access import audit
from quazzar.models import AuditEntry
from tests.conftest import signed

UPGRADE = "/api/billing/upgrade"


@pytest.fixture
def entry(db: None) -> AuditEntry:
    return audit.record("relay.changed", "relay settings", ["port", "host", "port"])


def test_an_entry_says_who_did_what_to_which_fields(entry: AuditEntry) -> None:
    stored = AuditEntry.objects.get()
    assert (stored.actor, stored.action, stored.target) == ("system", "relay.changed", "relay settings")
    assert stored.fields == ["host", "port"]
    assert stored.at is not None


def test_an_entry_cannot_be_changed_or_removed(subtests: pytest.Subtests, entry: AuditEntry) -> None:
    changes: list[Callable[[AuditEntry], object]] = [
        lambda entry: entry.save(),
        lambda entry: entry.save(update_fields=["actor"]),
        lambda entry: entry.delete(),
        lambda _: AuditEntry.objects.update(actor="x"),
        lambda _: AuditEntry.objects.all().delete(),
        lambda _: AuditEntry.objects.filter(pk=1).delete(),
        lambda entry: AuditEntry.objects.bulk_update([entry], ["actor"]),
        lambda entry: AuditEntry.objects.update_or_create(pk=entry.pk, defaults={"actor": "x"}),
        lambda entry: AuditEntry._base_manager.filter(pk=entry.pk).update(actor="x"),
        lambda entry: AuditEntry._base_manager.all().delete(),
    ]
    for change in changes:
        with subtests.test(change=change):
            entry.actor = "somebody else"
            with pytest.raises(TypeError, match="append-only"):
                change(entry)
            assert AuditEntry.objects.get().actor == "system"


def test_an_entry_cannot_be_put_in_place_of_another(entry: AuditEntry, transactional_db: None) -> None:
    from django.db import IntegrityError

    with pytest.raises(IntegrityError):
        AuditEntry(pk=entry.pk, actor="x", action="y").save()
    assert AuditEntry.objects.get().actor == "system"


def test_long_names_are_cut_rather_than_lost(db: None) -> None:
    with actors.acting_as("a" * 999):
        audit.record("b" * 999, "c" * 999)
    stored = AuditEntry.objects.get()
    assert [len(stored.actor), len(stored.action), len(stored.target)] == [300, 100, 500]


def test_a_command_is_the_actor_while_it_runs(db: None) -> None:
    with actors.acting_as("command:rotate_key"):
        assert audit.record("x").actor == "command:rotate_key"
    assert audit.record("x").actor == "system"


def test_a_session_is_its_user(operator: Any, client: Client, settings: Any, tmp_path: Any) -> None:
    settings.QUAZZAR_LICENSE_FILE = tmp_path / "license.jwt"
    client.force_login(operator)
    client.post(UPGRADE, {"license": signed("business")}, content_type="application/json")
    assert AuditEntry.objects.get(action="license.installed").actor == "user:operator"


def test_a_key_is_named_with_its_user(api: APIClient, settings: Any, tmp_path: Any) -> None:
    settings.QUAZZAR_LICENSE_FILE = tmp_path / "license.jwt"
    api.post(UPGRADE, {"license": signed("business")})
    assert AuditEntry.objects.get(action="license.installed").actor == "key:test (operator)"
    assert actors.current_actor() == "system"


def test_finding_out_who_acts_costs_nothing_unless_it_is_asked(
    rf: Any, django_assert_num_queries: Any
) -> None:
    def explode() -> None:
        raise AssertionError

    class Request:
        user = property(lambda self: explode())

    assert audit.ActorMiddleware(lambda _: HttpResponse("ok"))(Request()).status_code == 200  # type: ignore[arg-type]


def test_the_actor_is_forgotten_after_a_request_that_failed(rf: Any) -> None:
    def fail(_: Any) -> HttpResponse:
        actors.actor.set("key:ci (operator)")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        audit.ActorMiddleware(fail)(rf.get("/"))
    assert actors.current_actor() == "system"


def test_who_is_not_signed_in_is_anonymous(rf: Any) -> None:
    from django.contrib.auth.models import AnonymousUser

    assert audit.name_of(AnonymousUser()) == "anonymous"
