"""The stack's smarthost follows the relay settings."""

from __future__ import annotations

import pytest

from mailboxes.models import Stack
from mailboxes.stack import control, reconcile
from mailrelay.models import RelaySettings
from mailrelay.relay.settings import relay_changed
from tests.mailboxes import factories
from tests.mailboxes.stackengine import StackEngine


@pytest.mark.django_db(transaction=True)
def test_when_mail_leaves_through_it_another_relay_is_a_change(rung: list[str]) -> None:
    factories.stack(send_through_relay=True, desired_generation=4)
    relay_changed.send(sender=RelaySettings)
    assert Stack.load().desired_generation == 5 and rung == ["stack"]


@pytest.mark.django_db(transaction=True)
def test_when_it_does_not_nothing_changes(rung: list[str]) -> None:
    factories.stack(desired_generation=4)
    relay_changed.send(sender=RelaySettings)
    assert Stack.load().desired_generation == 4 and rung == []


@pytest.mark.django_db(transaction=True)
def test_without_a_stack_nothing_is_made(rung: list[str]) -> None:
    control.follow_relay()
    assert not Stack.objects.exists() and rung == []


def test_another_password_of_the_relay_reaches_postfix(up: StackEngine, relay: RelaySettings) -> None:
    RelaySettings.objects.update(username="user", password="first")
    factories.stack(send_through_relay=True)
    for password in ("first", "second"):
        RelaySettings.objects.update(password=password)
        relay_changed.send(sender=RelaySettings)
        reconcile.converge(fast=True)
        assert up.in_force["sasl_passwd"] == f"[relay.example]:2525 user:{password}\n".encode()


def test_switched_off_mail_goes_straight_out_again(up: StackEngine, relay: RelaySettings) -> None:
    for on, relayhost in ((True, b"[relay.example]:2525\n"), (False, b"")):
        factories.stack(send_through_relay=on, desired_generation=Stack.load().desired_generation + 1)
        reconcile.converge(fast=True)
        assert up.in_force["relayhost"] == relayhost
    assert up.in_force["sasl_passwd"] == b""


def test_a_relay_that_is_removed_lets_mail_go_straight_out(up: StackEngine, relay: RelaySettings) -> None:
    factories.stack(send_through_relay=True, desired_generation=2)
    reconcile.converge(fast=True)
    RelaySettings.objects.update(host="")
    relay_changed.send(sender=RelaySettings)
    reconcile.converge(fast=True)
    assert up.in_force["relayhost"] == b"" and Stack.load().phase == "healthy"
