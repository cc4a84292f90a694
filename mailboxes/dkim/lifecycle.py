"""The life of a domain's DKIM keys: each waits to be published, signs, and is removed when it is no longer needed.

    RSA       begin_rotation → waiting → start_signing → signing → (the next one signs) → retired → remove_retired
    Ed25519   add_ed25519 → waiting → start_signing → signing → remove_ed25519

A rotation replaces the RSA key that signs. The Ed25519 key (RFC 8463) is optional and signs beside it. The functions
here change rows; ``dnsrecords.dkim.progress`` decides from DNS when a key may sign and when a retired one may be
removed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from django.utils import timezone

from mailboxes import changes
from mailboxes.dkim import keys
from mailboxes.models import DkimKey, Domain
from quazzar.access import audit
from quazzar.errors import AlreadyExists, QuazzarError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from mailboxes.dkim.keys import KeyPair

RSA, ED25519 = DkimKey.Algorithm.RSA, DkimKey.Algorithm.ED25519
WAITING, SIGNING, RETIRED = DkimKey.State.WAITING, DkimKey.State.SIGNING, DkimKey.State.RETIRED


class NoRotation(QuazzarError):
    """There is no RSA key that waits to be published."""

    code = "no_rotation"
    message = "This domain has no new DKIM key to publish."
    hint = "Start a rotation first."
    status = 409


class NoEd25519Key(QuazzarError):
    """There is no Ed25519 key to remove."""

    code = "no_ed25519_key"
    message = "This domain has no Ed25519 key."
    hint = "Its mail is signed with RSA only."
    status = 409


def add_first_key(domain: Domain, pair: KeyPair) -> DkimKey:
    """Adds a domain's first key, which signs at once. Call it inside `changes.writing`, and stamp the domain."""
    return _add(domain, RSA, DkimKey.FIRST_SELECTOR, pair, SIGNING)


def begin_rotation(domain_id: int) -> DkimKey:
    """Adds the next RSA key, which waits to be published while the current one still signs.

    Raises:
        NotFound: there is no such domain.
        AlreadyExists: a key waits already, or a retired one is still needed; code ``rotation_under_way``.
    """
    pair = keys.generate()
    with changes.writing():
        domain = changes.existing(Domain.objects.all(), domain_id)
        present = list(domain.dkim_keys.without_secrets())
        rsa = {key.state: key for key in present if key.algorithm == RSA}
        if waiting := rsa.get(WAITING):
            raise AlreadyExists(
                f"The key {waiting.selector} of {domain.name} is already waiting to be published.",
                code="rotation_under_way",
            )
        if retired := rsa.get(RETIRED):
            raise AlreadyExists(
                f"Mail signed with the key {retired.selector} of {domain.name} may still be in transit.",
                code="rotation_under_way",
            )
        used = {key.selector for key in present}
        selector = next(name for name in _dated_selectors(timezone.now().date()) if name not in used)
        key = _add(domain, RSA, selector, pair, WAITING)
        audit.record("domain.dkim_rotation_begun", domain.name, ["dkim_keys"])
    return key


def cancel_rotation(domain_id: int) -> None:
    """Removes the next RSA key before it signs.

    Raises:
        NotFound: there is no such domain.
        NoRotation: no RSA key waits, perhaps because it signs already.
    """
    with changes.writing():
        domain = changes.existing(Domain.objects.all(), domain_id)
        key = domain.dkim_keys.without_secrets().filter(algorithm=RSA, state=WAITING).first()
        if key is None:
            raise NoRotation
        key.delete()
        audit.record("domain.dkim_rotation_cancelled", domain.name, ["dkim_keys"])


def add_ed25519(domain_id: int) -> DkimKey:
    """Adds an Ed25519 key, which waits to be published.

    Raises:
        NotFound: there is no such domain.
        AlreadyExists: the domain has one; code ``ed25519_key_exists``.
    """
    pair = keys.generate_ed25519()
    with changes.writing():
        domain = changes.existing(Domain.objects.all(), domain_id)
        if key := domain.dkim_keys.without_secrets().filter(algorithm=ED25519).first():
            raise AlreadyExists(
                f"{domain.name} already has the Ed25519 key {key.selector}.", code="ed25519_key_exists"
            )
        # Each key gets a new selector: under a used one, caches would still answer with the key from before.
        digest = hashlib.sha256(pair.public_base64.encode()).hexdigest()
        key = _add(domain, ED25519, f"quazzar-ed-{digest[:6]}", pair, WAITING)
        audit.record("domain.dkim_ed25519_begun", domain.name, ["dkim_keys"])
    return key


def remove_ed25519(domain_id: int) -> str:
    """Removes the domain's Ed25519 key, from the stack too.

    Returns:
        Its selector, whose record may be deleted.

    Raises:
        NotFound: there is no such domain.
        NoEd25519Key: the domain has none.
    """
    with changes.writing():
        domain = changes.existing(Domain.objects.all(), domain_id)
        key = domain.dkim_keys.without_secrets().filter(algorithm=ED25519).first()
        if key is None:
            raise NoEd25519Key
        key.delete()
        if key.state == SIGNING:
            _push(domain)
        audit.record("domain.dkim_ed25519_removed", domain.name, ["dkim_keys"])
    return key.selector


def start_signing(domain_id: int, selector: str) -> bool:
    """Lets a waiting key sign, and retires the key of the same algorithm that signed before.

    Returns:
        False if no key with this selector waits, or its private half cannot be opened.
    """
    with changes.writing():
        waiting = DkimKey.objects.filter(domain=domain_id, selector=selector, state=WAITING)
        key = waiting.select_related("domain").first()
        if key is None or not key.readable:
            return False
        now = timezone.now()
        key.domain.dkim_keys.filter(algorithm=key.algorithm, state=SIGNING).update(state=RETIRED, since=now)
        key.state, key.since = SIGNING, now
        key.save(update_fields=["state", "since"])
        _push(key.domain)
        action = "domain.dkim_rotated" if key.algorithm == RSA else "domain.dkim_ed25519_signs"
        audit.record(action, key.domain.name, ["dkim_keys"])
    return True


def remove_retired(key_id: int) -> bool:
    """Removes a retired key; False if there is no such key."""
    with changes.writing():
        retired = DkimKey.objects.without_secrets().filter(pk=key_id, state=RETIRED)
        key = retired.select_related("domain").first()
        if key is None:
            return False
        key.delete()
        _push(key.domain)
        audit.record("domain.dkim_key_retired", key.domain.name, ["dkim_keys"])
    return True


def _add(
    domain: Domain, algorithm: DkimKey.Algorithm, selector: str, pair: KeyPair, state: DkimKey.State
) -> DkimKey:
    return DkimKey.objects.create(
        domain=domain,
        algorithm=algorithm,
        selector=selector,
        state=state,
        since=timezone.now() if state == WAITING else None,
        private_key=pair.private_pem,
        public_key=pair.public_base64,
    )


def _push(domain: Domain) -> None:
    """Marks the domain as changed, and wakes the worker to push the change."""
    changes.stamp(domain)
    domain.save(update_fields=["generation", "applied_at"])
    changes.announce()


def _dated_selectors(today: date) -> Iterator[str]:
    """``qz20261122``; for further rotations on the same day with a letter: ``qz20261122b`` and so on."""
    yield f"qz{today:%Y%m%d}"
    yield from (f"qz{today:%Y%m%d}{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")
