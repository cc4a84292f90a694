"""The only writers of what the stack should be: on or off, its hostname, its smarthost, Rspamd's password.

Only ``mailboxes/certificates`` writes the certificate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction

from mailboxes import changes
from mailboxes.certificates.settings import self_signed_for
from mailboxes.dkim import keys, lifecycle
from mailboxes.models import Domain, Stack
from mailboxes.provisioning import addresses, passwords
from mailboxes.push.entries import Smarthost
from mailboxes.push.smarthost import why_unusable
from mailrelay.models import RelaySettings
from quazzar import doorbell
from quazzar.access import audit
from quazzar.errors import AlreadyExists, InvalidFields, RelayNotConfigured
from quazzar.validation import Wrong, text

if TYPE_CHECKING:
    from mailboxes.dkim.keys import KeyPair

TARGET = "mailbox stack"
#: Columns that show the progress of an earlier run; they are reset before the next one begins.
_NO_PROGRESS = {"step": 0, "steps": 0, "percent": 0, "progress_message": "", "last_error": None}


def enable(hostname: str) -> Stack:
    """Asks the worker to bring up the stack, and makes the certificate, passwords and DKIM keys that it needs.

    If the stack is enabled under this name and healthy, nothing changes; if it failed, the worker tries again now. A
    requested purge that has not been carried out yet is cancelled, because the volumes may be needed again.

    Raises:
        InvalidFields: ``hostname`` is not a fully qualified domain name.
        AlreadyExists: the stack is enabled under another name (code ``stack_enabled``).
    """
    name = _hostname(hostname)
    stack = Stack.load()
    if _is_on(stack, name):
        return try_again()
    # Slow, so they are made before the transaction. If two requests race, those of the second are thrown away.
    secrets = self_signed_for(stack, name) | _controller_password(stack)
    pairs = {pk: keys.generate() for pk in Domain.objects.unsigned().values_list("pk", flat=True)}
    with changes.writing():
        stack = Stack.load()
        if _is_on(stack, name):
            return try_again()
        phase = Stack.Phase.PREFLIGHT
        _save({"enabled": True, "purge": False, "hostname": name, "phase": phase, **_NO_PROGRESS, **secrets})
        _add_keys(pairs, changes.bump())
        changed = {"enabled": (stack.enabled, True), "hostname": (stack.hostname, name)}
        audit.record("stack.enabled", name, _visible(secrets), changed)
        changes.announce()
        doorbell.look_soon()
    return Stack.load()


def try_again() -> Stack:
    """Makes the worker retry at once, rather than at its next sweep, and clears the old error."""
    with transaction.atomic():
        failed = Stack.objects.filter(pk=1, enabled=True, phase=Stack.Phase.FAILED)
        failed.update(phase=Stack.Phase.PREFLIGHT, **_NO_PROGRESS)
        stack = Stack.load()
        if stack.phase not in (Stack.Phase.HEALTHY, Stack.Phase.DISABLED):
            changes.announce()
    return stack


def disable(*, purge: bool = False, confirm: str = "") -> Stack:
    """Asks the worker to take the stack down.

    Args:
        purge: also remove its volumes with all mail, even if the stack is off.
        confirm: must repeat the hostname if ``purge`` is set.

    Raises:
        InvalidFields: ``purge`` is set and ``confirm`` is not the hostname.
    """
    with changes.writing():
        stack = Stack.load()
        if purge and stack.hostname and confirm.strip().lower() != stack.hostname:
            sentence = (
                "This deletes all mail on the mail server. To confirm, repeat its hostname, "
                f"{stack.hostname}."
            )
            raise InvalidFields({"confirm": [sentence]})
        purge = purge and bool(stack.hostname)
        if not stack.enabled and (stack.purge or not purge):
            return try_again()
        _save({"enabled": False, "purge": purge, "phase": Stack.Phase.STOPPING, **_NO_PROGRESS})
        changes.bump()
        audit.record("stack.purged" if purge else "stack.disabled", stack.hostname, ["enabled"])
        changes.announce()
        doorbell.look_soon()
    return Stack.load()


def change(
    *,
    send_through_relay: bool | None = None,
    warn_mailbox_owners: bool | None = None,
    own_mailbox: bool | None = None,
) -> Stack:
    """Changes the settings that are not None.

    Args:
        send_through_relay: send the stack's outgoing mail through the relay settings.
        warn_mailbox_owners: mail the owner of a nearly full mailbox, too.
        own_mailbox: have a mailbox of Quazzar's own, to which bounces and reports come.

    Raises:
        RelayNotConfigured: there is no relay to send through.
        InvalidFields: Postfix cannot use the relay settings.
    """
    settings = {
        "send_through_relay": send_through_relay,
        "warn_mailbox_owners": warn_mailbox_owners,
        "own_mailbox": own_mailbox,
    }
    with changes.writing():
        stack = Stack.load()
        changed = {
            name: value
            for name, value in settings.items()
            if value is not None and value != getattr(stack, name)
        }
        if not changed:
            return stack
        if changed.get("send_through_relay"):
            _check_relay(RelaySettings.load())
        _save(changed)
        before = {name: getattr(stack, name) for name in changed}
        audit.record("stack.changed", TARGET, changes=audit.differences(before, changed, changed))
        if changed.keys() & {
            "send_through_relay",
            "own_mailbox",
        }:  # the other one does not concern the containers
            changes.bump()
            changes.announce()
    return Stack.load()


def follow_relay() -> None:
    """Pushes the relay settings after they changed, if the stack's mail leaves through them, or bounces of the relay's
    mail may come to Quazzar's own mailbox."""
    stack = Stack.load()
    if not stack.send_through_relay and not (stack.enabled and stack.own):
        return
    with transaction.atomic():
        changes.bump()
        changes.announce()


def _check_relay(relay: RelaySettings) -> None:
    if not relay.configured:
        raise RelayNotConfigured
    secret = relay.password
    password = secret.reveal() if secret is not None and secret.readable else ""
    problem = why_unusable(Smarthost(relay.host, relay.port, relay.security, relay.username, password))
    if problem:
        raise InvalidFields({"send_through_relay": [problem]})


def new_controller_password() -> Stack:
    """Sets a new password for Rspamd's web interface; the old one works until the stack has the new one."""
    with changes.writing():
        _save({"controller_password": passwords.generate()})
        changes.bump()
        audit.record("stack.changed", TARGET, ["controller_password"])
        changes.announce()
    return Stack.load()


def allow_interruption() -> Stack:
    """Allows the worker to carry out, once, the pending repairs that interrupt mail."""
    with changes.writing():
        if Stack.objects.filter(pk=1, interruption_allowed=False).update(interruption_allowed=True):
            audit.record("stack.interruption_allowed", TARGET)
            changes.announce()
    return Stack.load()


def _hostname(hostname: str) -> str:
    wrong = Wrong()
    name = wrong.checked("hostname", lambda value: addresses.domain(text(value)), hostname, default="")
    wrong.raise_if_any()
    return name


def _is_on(stack: Stack, hostname: str) -> bool:
    if stack.enabled and stack.hostname != hostname:
        raise AlreadyExists(
            f"The stack is enabled as {stack.hostname}. Disable it first, then enable it as {hostname}.",
            code="stack_enabled",
        )
    return stack.enabled


def _controller_password(stack: Stack) -> dict[str, Any]:
    if stack.controller_password is not None and stack.controller_password.readable:
        return {}
    return {"controller_password": passwords.generate()}


def _add_keys(pairs: dict[int, KeyPair], generation: int) -> None:
    """Gives each domain its first key, unless it has got one in the meantime."""
    for domain in Domain.objects.unsigned().filter(pk__in=pairs):
        lifecycle.add_first_key(domain, pairs[domain.pk])
        Domain.objects.filter(pk=domain.pk).update(generation=generation, applied_at=None)


def _save(values: dict[str, Any]) -> None:
    Stack.objects.filter(pk=1).update(**values)


def _visible(values: dict[str, Any]) -> list[str]:
    return [name for name in values if name in {"tls_certificate", "controller_password"}]
