"""This node's licence: read and verified offline, installed, removed, and made for an evaluation.

Every reason to refuse a licence has a code: ``license_missing``, ``license_expired``, ``license_tampered``,
``license_unknown_plan``, ``license_not_started``, ``license_other_key``, ``license_unreadable``,
``license_no_key``.
"""

from __future__ import annotations

import logging
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import transaction

from quazzar import paths, words
from quazzar.access import audit
from quazzar.errors import LicenseError
from quazzar.plans import keys
from quazzar.plans.plans import Plan

logger = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALGORITHM = "EdDSA"
# Times are compared each time the licence is read, not only when it is parsed. An audience means nothing offline.
_UNCHECKED = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud"), False)
_LARGEST = 64 * 1024
# Two changes within one tick of the file system's clock leave the same stamp, so a younger file is read again.
_TICK_NS = 50_000_000

#: The beginning of an evaluation licence's subject; the name of the node follows.
_EVALUATION = "evaluation of "
_REMEDY = "Paste a licence in the upgrade dialog, or run: manage.py license install FILE"


class Licence(NamedTuple):
    """The licence that is in force, or why there is none.

    Attributes:
        plan: community when there is no usable licence.
        expires_at: when it ends, or ended.
        subject: who it was issued to.
        problem: a sentence saying why the licence does not count; empty when it does.
        code: the problem in one word; empty when there is none.
        starts_at: when it begins to count; None if it names no such time.
    """

    plan: Plan
    expires_at: datetime | None = None
    subject: str = ""
    problem: str = ""
    code: str = ""
    starts_at: datetime | None = None

    @property
    def is_evaluation(self) -> bool:
        """Whether this node made the licence itself, rather than the vendor."""
        return self.subject.startswith(_EVALUATION) and not keys.configured()


class _Checked(NamedTuple):
    stamp: object
    licence: Licence


_checked: _Checked | None = None


def path() -> Path:
    """The path of the licence file."""
    return Path(settings.QUAZZAR_LICENSE_FILE)


def read() -> Licence:
    """The licence that is in force now, or why there is none; a change of the file counts at once."""
    global _checked
    stamp, settled = _stamp()
    if _checked is not None and _checked.stamp == stamp:
        licence = _checked.licence
    else:
        licence = _read_file()
        _checked = _Checked(stamp, licence) if settled else None
    return _in_time(licence)


def verify(token: str) -> Licence:
    """The licence in this text.

    Raises:
        LicenseError: it does not count; the error says why.
    """
    licence = _in_time(_signed(token.strip()))
    if licence.problem:
        raise LicenseError(licence.problem, code=licence.code)
    return licence


def install(token: str) -> Licence:
    """Verify this licence and put it in force in every process at once.

    Raises:
        LicenseError: it does not count or cannot be written; the licence installed before stays.
    """
    licence = verify(token)
    _write(token.strip())
    _note("license.installed", licence.plan.id)
    return licence


def remove() -> bool:
    """Remove the licence; returns False if there was none.

    Raises:
        LicenseError: it cannot be removed.
    """
    try:
        path().unlink()
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise LicenseError(f"The licence {path()} cannot be removed: {exc.strerror}.") from exc
    _note("license.removed", "")
    return True


def trial(plan: str, days: int) -> Licence:
    """Sign an evaluation licence with this node's own key, and install it.

    Raises:
        LicenseError: there is no such plan, ``days`` is not in 1 to 3650, or evaluation licences do not count here.
    """
    if Plan.by_id(plan) is None:
        raise LicenseError(
            f"The plan {plan!r} does not exist. Choose one of {', '.join(p.id for p in Plan)}."
        )
    if not 1 <= days <= 3650:
        raise LicenseError("An evaluation can run for 1 to 3650 days.")
    if keys.configured():
        raise LicenseError(
            "Evaluation licences are not accepted, because QUAZZAR_LICENSE_PUBLIC_KEY is set.",
            code="license_other_key",
            hint="Install a licence from your vendor, or unset QUAZZAR_LICENSE_PUBLIC_KEY.",
        )
    expires = int(time.time()) + int(timedelta(days=days).total_seconds())
    claims = {"plan": plan, "exp": expires, "sub": f"{_EVALUATION}{socket.gethostname()}"}
    return install(jwt.encode(claims, keys.evaluation_key(), algorithm=_ALGORITHM))


def _stamp() -> tuple[object, bool]:
    """What a licence in memory depends on, and whether all of it is old enough for its stamp to be reliable."""
    key_file = keys.public_key_file()
    states = [_file_state(file) for file in (path(), key_file) if file]
    newest = max((state[-1] for state in states if state), default=0)
    return (path(), keys.configured(), *states), time.time_ns() - newest > _TICK_NS


def _file_state(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except (OSError, ValueError):
        return ()
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_mode,
        status.st_ctime_ns,
    )


def _read_file() -> Licence:
    try:
        with path().open("rb") as source:
            content = source.read(_LARGEST + 1)
    except FileNotFoundError:
        return _refused("license_missing", f"No licence is installed. {_REMEDY}.")
    except OSError as exc:
        return _refused("license_unreadable", f"The licence {path()} cannot be read: {exc.strerror}.")
    return _signed(content.decode("utf-8", "replace").strip())


def _signed(token: str) -> Licence:
    """The licence in this text, or the reason why it does not count; its times are not checked."""
    try:
        key = keys.public_key()
        return _from_claims(_claims(token, key))
    except LicenseError as exc:
        return _refused("license_no_key", f"{exc.message} {exc.hint}")
    except jwt.InvalidSignatureError:
        return _wrong_signature(token)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        return _refused(
            "license_tampered", "That isn't a valid licence, or it was cut off when you copied it."
        )


def _claims(token: str, key: Ed25519PublicKey) -> dict[str, Any]:
    if len(token) > _LARGEST:
        raise ValueError("too long for a licence")
    options: Any = {"require": ["exp", "plan"], **_UNCHECKED}
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=[_ALGORITHM], options=options)
    return claims


def _from_claims(claims: dict[str, Any]) -> Licence:
    expires_at, starts_at = _time(claims["exp"]), _time(claims.get("nbf", 0))
    subject = str(claims.get("sub", ""))
    plan = Plan.by_id(claims["plan"])
    if plan is None:
        sentence = (
            "This version does not know the licence's plan. Update Quazzar, or ask for another licence."
        )
        return Licence(Plan.COMMUNITY, expires_at, subject, sentence, "license_unknown_plan")
    return Licence(plan, expires_at, subject, starts_at=starts_at)


def _time(claim: object) -> datetime:
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        raise TypeError("the claim is not a time")
    return _EPOCH + timedelta(seconds=claim)


def _wrong_signature(token: str) -> Licence:
    if keys.configured() and _is_evaluation(token):
        return _refused(
            "license_other_key",
            "Evaluation licences are not accepted, because QUAZZAR_LICENSE_PUBLIC_KEY is set. Install the "
            "licence from your vendor.",
        )
    return _refused(
        "license_tampered",
        "The licence's signature is not valid: the licence was changed, or signed with another key.",
    )


def _is_evaluation(token: str) -> bool:
    if not keys.evaluation_key_file().exists():
        return False
    try:
        _claims(token, keys.evaluation_key().public_key())
    except (LicenseError, jwt.PyJWTError):
        return False
    return True


def _in_time(licence: Licence) -> Licence:
    now = datetime.now(UTC)
    if licence.problem:
        return licence
    if licence.expires_at is not None and licence.expires_at <= now:
        sentence = (
            f"The licence for {licence.plan.title} expired on {words.day(licence.expires_at)}. {_REMEDY}."
        )
        return licence._replace(plan=Plan.COMMUNITY, problem=sentence, code="license_expired")
    if licence.starts_at is not None and licence.starts_at > now:
        sentence = f"The licence for {licence.plan.title} starts on {words.minute(licence.starts_at)}."
        return licence._replace(plan=Plan.COMMUNITY, problem=sentence, code="license_not_started")
    return licence


def _refused(code: str, sentence: str) -> Licence:
    return Licence(Plan.COMMUNITY, problem=sentence, code=code)


def _write(token: str) -> None:
    target = path()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths.replace_private(target, f"{token}\n".encode())
    except OSError as exc:
        raise LicenseError(f"The licence cannot be written to {target}: {exc.strerror}.") from exc


def _note(action: str, target: str) -> None:
    """Add an audit entry, if possible: the licence is a file, and counts even without a database."""
    try:
        with transaction.atomic():
            audit.record(action, target)
    except DatabaseError:
        logger.warning("%s could not be written to the audit log", action)
