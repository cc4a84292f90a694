"""What the models' managers choose, and the one row of the stack."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from mailboxes.models import Alias, Domain, Mailbox, Stack
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db


def test_before_there_is_a_stack_its_defaults_are_read_and_nothing_is_written(
    api: APIClient, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert Stack.load().phase == Stack.Phase.DISABLED
    assert api.get("/api/mail/stack").status_code == 200
    assert not Stack.objects.exists()


def test_the_stacks_row_is_read_once_it_is_there() -> None:
    factories.stack(hostname="mail.example.com")
    assert Stack.load().hostname == "mail.example.com"


def test_mailboxes_are_live_or_deleted_and_leave_the_stack_in_between() -> None:
    now = timezone.now()
    live = factories.mailbox("live@example.com")
    leaving = factories.mailbox("leaving@example.com", deleted_at=now)
    left = factories.mailbox("left@example.com", deleted_at=now, removed_at=now)
    assert list(Mailbox.objects.live()) == [live]
    assert list(Mailbox.objects.deleted()) == [leaving, left]
    assert list(Mailbox.objects.leaving()) == [leaving]


def test_unsynced_is_what_the_running_stack_does_not_have_as_it_is() -> None:
    now = timezone.now()
    mailbox = factories.mailbox()
    factories.mailbox("bob@example.com", applied_at=now)
    alias = factories.alias()
    Domain.objects.update(applied_at=now)
    assert list(Mailbox.objects.unsynced()) == [mailbox] and list(Alias.objects.unsynced()) == [alias]
    assert not Domain.objects.unsynced().exists()
