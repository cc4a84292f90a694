"""Passkeys (WebAuthn, https://www.w3.org/TR/webauthn-3/): registering, signing in, removing.

The library reads and verifies responses; this module decides what to ask for. The state of a ceremony is kept in the
page, signed: nothing is stored for strangers who only open the sign-in page.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from quazzar.errors import QuazzarError
from quazzar.models import Passkey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

#: Seconds between the beginning of a ceremony and its end.
PATIENCE = 300
MOST = 20
_SALT = "quazzar.passkeys"
#: What the library and the standard library raise for a response that is none: arrays within arrays without end, too.
_NONSENSE = (ValueError, KeyError, TypeError, RecursionError)


class PasskeyRefused(QuazzarError):
    """The browser's response does not prove anything."""

    code = "passkey_refused"
    message = "This passkey was not accepted."
    hint = "Try again, or sign in another way."


def host_of(request: HttpRequest) -> str:
    """The name under which the console is open, without the port: which browsers tie a passkey to."""
    host, _, port = request.get_host().rpartition(":")
    return host if host and port.isdigit() else request.get_host()


def works_at(host: str) -> bool:
    """Whether browsers offer passkeys under this name: not under an address (WebAuthn, 5.1.3)."""
    return not host.startswith("[") and not host.replace(".", "").isdigit()


# --- registering


def begin(user: User, host: str) -> dict[str, Any]:
    """What the browser needs to make a passkey for the console under this name, and the state to send back."""
    # Neither a name nor an id of ours: the handle stays on the device, and tells which account a passkey replaces.
    handle = hashlib.sha256(f"quazzar:{user.pk}".encode()).digest()
    options, state = _server(host).register_begin(
        PublicKeyCredentialUserEntity(
            id=handle, name=user.get_username(), display_name=user.get_full_name() or user.get_username()
        ),
        _descriptors(Passkey.objects.filter(user=user, host=host)),
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return {"options": _json(options), "state": _signed(state, host, f"register:{user.pk}")}


def register(user: User, host: str, name: str, response: str, state: str) -> Passkey:
    """Store the passkey that the browser made.

    Raises:
        PasskeyRefused: it was not made for this, or too late; or the operator has enough of them.
    """
    begun = _opened(state, host, f"register:{user.pk}")
    try:
        made = _server(host).register_complete(begun, _loaded(response))
    except _NONSENSE as exc:
        raise PasskeyRefused from exc
    credential = made.credential_data
    if credential is None:
        raise PasskeyRefused
    if Passkey.objects.filter(user=user).count() >= MOST:
        raise PasskeyRefused(f"You have {MOST} passkeys.", hint="Remove one that you do not use.")
    try:
        with transaction.atomic():
            return Passkey.objects.create(
                user=user,
                name=" ".join(name.split())[:60] or "Passkey",
                host=host,
                credential_id=websafe_encode(credential.credential_id),
                credential=bytes(credential),
                counter=made.counter,
            )
    except IntegrityError as exc:
        raise PasskeyRefused("This passkey is already registered.") from exc


# --- signing in


def ask(host: str, user: User | None = None) -> dict[str, Any]:
    """What the browser needs to show a passkey: one of this user's after the password, or any in place of it."""
    mine = None if user is None else _descriptors(Passkey.objects.filter(user=user, host=host))
    options, state = _server(host).authenticate_begin(mine, _verification(user))
    return {"options": _json(options), "state": _signed(state, host, _purpose(user))}


def check(host: str, response: str, state: str, user: User | None = None) -> Passkey:
    """The passkey that the response proves possession of; without a user, its device has also verified its owner.

    A proof works once: it is refused if the passkey was used after the proof was requested.

    Raises:
        PasskeyRefused: the response proves nothing.
    """
    begun = _opened(state, host, _purpose(user))
    asked_at = datetime.fromtimestamp(begun["asked_at"], UTC)
    try:
        given = AuthenticationResponse.from_dict(_loaded(response))
        rows = Passkey.objects.filter(
            host=host, user__is_active=True, credential_id=websafe_encode(given.raw_id)
        )
        row = rows.filter(user=user).first() if user else rows.select_related("user").first()
        if row is None:
            raise PasskeyRefused("This passkey is not registered here.")
        _server(host).authenticate_complete(begun, [AttestedCredentialData(bytes(row.credential))], given)
    except _NONSENSE as exc:
        raise PasskeyRefused from exc
    counter = given.response.authenticator_data.counter
    fresh = Q(last_used_at=None) | Q(last_used_at__lt=asked_at)
    # A counter that did not grow says that the passkey was copied (WebAuthn, 6.1.1). Shared passkeys have none.
    grown = Q(counter__lt=counter) | Q(counter=0) if counter else Q(counter=0)
    if not Passkey.objects.filter(fresh, grown, pk=row.pk).update(
        counter=counter, last_used_at=timezone.now()
    ):
        raise PasskeyRefused
    return row


# --- parts


def _server(host: str) -> Fido2Server:
    def is_ours(origin: str) -> bool:
        # The library also accepts subdomains; a page on another host is not ours.
        return origin in (f"https://{host}", f"http://{host}") or origin.startswith(
            (f"https://{host}:", f"http://{host}:")
        )

    return Fido2Server(PublicKeyCredentialRpEntity(id=host, name="Quazzar"), verify_origin=is_ours)


def _verification(user: User | None) -> UserVerificationRequirement:
    return UserVerificationRequirement.REQUIRED if user is None else UserVerificationRequirement.DISCOURAGED


def _purpose(user: User | None) -> str:
    return f"step:{user.pk}" if user else "sign-in"


def _descriptors(rows: Iterable[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            type=PublicKeyCredentialType.PUBLIC_KEY,
            id=AttestedCredentialData(bytes(row.credential)).credential_id,
        )
        for row in rows
    ]


def _json(options: Any) -> dict[str, Any]:
    """The options as JSON knows them."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(options)))
    return plain


def _loaded(response: str) -> dict[str, Any]:
    loaded = json.loads(response)
    if not isinstance(loaded, dict):
        raise TypeError("no object")
    return loaded


def _signed(state: dict[str, Any], host: str, purpose: str) -> str:
    asked = {**state, "asked_at": timezone.now().timestamp()}
    return signing.dumps(asked, salt=f"{_SALT}:{host}:{purpose}")


def _opened(state: str, host: str, purpose: str) -> dict[str, Any]:
    try:
        begun: dict[str, Any] = signing.loads(
            state, salt=f"{_SALT}:{host}:{purpose}", max_age=timedelta(seconds=PATIENCE)
        )
    except signing.BadSignature as exc:
        raise PasskeyRefused("That took too long.", hint="Try again.") from exc
    return begun
