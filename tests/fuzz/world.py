"""The node that made-up requests are sent to: a row of each kind, and nothing that leaves this machine."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from mailboxes.dkim import keys as dkim
from mailboxes.engine import connect
from mailboxes.models import Alias, Domain, ImportJob, Mailbox, Stack
from mailboxes.provisioning import passwords
from mailboxes.stack import control
from mailboxes.stack.preflight import names as namechecks
from mailrelay.models import ExpectedReport, Message, RelaySettings
from quazzar import doorbell
from quazzar.access import apikeys
from quazzar.access.roles import ROLES
from quazzar.api.gate.throttling import PrincipalThrottle
from quazzar.rights import SCOPES
from tests.fakes import FakeEngine

SESSION = "quazzar_session"
#: Stored secrets; no answer may hold one.
RELAY_PASSWORD = "relay-pAssw0rd-of-the-fuzzer"
MAILBOX_HASH = "{ARGON2ID}hash-of-the-fuzzer"
SECRETS = (RELAY_PASSWORD, MAILBOX_HASH)


@contextmanager
def nowhere() -> Iterator[None]:
    """Nothing leaves this machine, whichever host a request saves; what is slow to make is made once; no throttle."""

    def resolve(host: str, port: int, seconds: float) -> list[tuple[int, Any]]:
        return [(socket.AF_INET, ("127.0.0.1", 9))]

    def refuse(*_: Any) -> Any:
        raise OSError("offline")

    pair, hashed = dkim.generate(), passwords.hash_password("correct horse battery")
    with ExitStack() as patches:
        patches.enter_context(patch("mailrelay.smtp.opening.resolve", resolve))
        patches.enter_context(patch.object(connect, "to_docker", lambda *_: FakeEngine()))
        patches.enter_context(patch.object(doorbell, "ring", lambda *_: None))
        patches.enter_context(patch.object(dkim, "generate", lambda: pair))
        patches.enter_context(patch.object(passwords, "hash_password", lambda _: hashed))
        patches.enter_context(patch.object(PrincipalThrottle, "allow_request", lambda *_: True))
        for name in ("resolve", "name_of", "greeting"):
            patches.enter_context(patch.object(namechecks, name, refuse))
        yield


def person(role: str) -> User:
    """An operator with this role."""
    user, _ = User.objects.get_or_create(username=role, defaults={"is_staff": True})
    user.groups.set(Group.objects.filter(name=role))
    return user


def _session(role: str) -> dict[str, str]:
    client = Client()
    client.force_login(person(role))
    client.get("/admin/login/")
    token = "a" * 32
    cookies = f"{SESSION}={client.cookies[SESSION].value}; csrftoken={token}"
    return {"HTTP_COOKIE": cookies, "HTTP_X_CSRFTOKEN": token, "HTTP_AUTHORIZATION": ""}


def _key(*scopes: str) -> dict[str, str]:
    _, text = apikeys.mint(person("Owner"), " ".join(scopes), list(scopes))
    return {"HTTP_AUTHORIZATION": f"Bearer {text}"}


#: A name → what shows in a request's WSGI environment who the caller is, whatever else was made up.
CALLERS: dict[str, Callable[[], dict[str, str]]] = {
    "anonymous": dict,
    **{role.name: partial(_session, role.name) for role in ROLES},
    **{f"key {scope}": partial(_key, scope) for scope in SCOPES},
    "key of all scopes": partial(_key, *SCOPES),
}


def change_the_weather(dice: random.Random) -> None:
    """What the answers depend on besides the rows: whether there is a relay, and a mail server."""
    if dice.random() < 0.5:
        RelaySettings.objects.filter(pk=1).delete()
    else:
        set_relay()
    if Stack.load().enabled and dice.random() < 0.5:
        control.disable(purge=False)
    elif not Stack.load().enabled:
        control.enable("mail.example.com")


def furnish() -> None:
    """Settings and rows to begin with."""
    set_relay()
    control.enable("mail.example.com")
    ids()


def set_relay() -> None:
    """A relay that does not answer, with a password."""
    relay, _ = RelaySettings.objects.get_or_create(pk=1)
    relay.host, relay.port, relay.username, relay.password = "127.0.0.1", 9, "node", RELAY_PASSWORD
    relay.alert_recipients = relay.backup_recipients = ["ops@example.com"]
    relay.save()


def ids() -> dict[str, int]:
    """The beginning of a path → the id of a row that is there, even if the last one was deleted. Longer ones first."""
    domain, _ = Domain.objects.get_or_create(name="example.com", defaults={"catch_all": "ops@example.com"})
    ada = {"domain": domain, "local_part": "ada", "address": "ada@example.com"}
    box = Mailbox.objects.filter(deleted_at=None).first() or Mailbox.objects.create(
        **ada, password_hash=MAILBOX_HASH, home=f"example.com/{uuid4()}"
    )
    gone = Mailbox.objects.exclude(deleted_at=None).first() or Mailbox.objects.create(
        domain=domain,
        local_part="gone",
        address="gone@example.com",
        home=str(uuid4()),
        deleted_at=timezone.now(),
    )
    alias = Alias.objects.first() or Alias.objects.create(
        domain=domain, local_part="info", address="info@example.com", destinations=["ada@example.com"]
    )
    failure = {"code": "already_exists", "message": "Someone else added.", "hint": "Import it again."}
    job = ImportJob.objects.first() or ImportJob.objects.create(state="failed", total=1, last_error=failure)
    message = Message.objects.filter(status="queued").first() or Message.objects.create(
        message_id=f"<{uuid4()}@example.com>", to=["ops@example.com"], subject="Disk"
    )
    report = ExpectedReport.objects.first() or ExpectedReport.objects.create(
        name="nightly", title="nightly", state="proposed", schedule={"kind": "daily", "at": "02:04"}
    )
    return {
        "/api/mail/domains": domain.pk,
        "/api/mail/mailboxes/import": job.pk,
        "/api/mail/mailboxes/{id}/restore": gone.pk,
        "/api/mail/mailboxes": box.pk,
        "/api/mail/aliases": alias.pk,
        "/api/mail/messages": message.pk,
        "/api/mail/expected": report.pk,
    }
