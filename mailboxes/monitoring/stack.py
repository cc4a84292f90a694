"""The check of the mailbox stack as a whole."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from mailboxes.certificates import state as certificatestate
from mailboxes.models import DkimKey, Mailbox, Stack
from mailboxes.quota import room
from quazzar import words
from quazzar.monitoring import doctor
from quazzar.sealing.values import Sealed

#: Warn if the worker has not looked at the stack for this long; normally it does three times a minute.
UNOBSERVED = timedelta(minutes=10)
_ADVICE_KEY = (
    "Put back the key file that sealed them, or set them again; until then the stack goes on with its copies."
)


def examine() -> doctor.Finding:
    """The first thing that is wrong with the stack, failures before warnings; ok if nothing is."""
    stack = Stack.load()
    if not stack.enabled:
        return _disabled(stack)
    now = timezone.now()
    findings = (
        _phase(stack),
        _observation(stack, now),
        _certificate(stack, now),
        _disk(stack),
        _secrets(stack),
        _pending(stack),
        _guessed(stack),
    )
    problems = [finding for finding in findings if finding is not None]
    failures = [finding for finding in problems if finding.level == doctor.Level.FAILED]
    return next(iter(failures or problems), None) or doctor.ok(f"The mailbox stack {stack} is healthy.")


def _disabled(stack: Stack) -> doctor.Finding:
    if stack.last_error and stack.phase == Stack.Phase.STOPPING:
        return doctor.warning(f"The mailbox stack does not stop: {_sentence(stack)}", _hint(stack))
    return doctor.ok("The mailbox stack is not enabled.")


def _phase(stack: Stack) -> doctor.Finding | None:
    if stack.phase == Stack.Phase.HEALTHY:
        return None
    if stack.phase == Stack.Phase.FAILED:
        return doctor.failed(f"The mailbox stack could not be brought up: {_sentence(stack)}", _hint(stack))
    if stack.last_error:
        word = Stack.Phase(stack.phase).label.lower()
        return doctor.failed(f"The mailbox stack is {word}: {_sentence(stack)}", _hint(stack))
    return doctor.warning(
        f"The mailbox stack is on its way: {stack.progress_message or Stack.Phase(stack.phase).label}.",
        "Look again in a minute.",
    )


def _sentence(stack: Stack) -> str:
    return str((stack.last_error or {}).get("message") or "no reason is known.")


def _hint(stack: Stack) -> str:
    return str((stack.last_error or {}).get("hint") or "Look at the logs in the Mailboxes tab.")


def _observation(stack: Stack, now: datetime) -> doctor.Finding | None:
    seen = stack.observed_at
    if seen is not None and now - seen <= UNOBSERVED:
        return None
    since = "yet" if seen is None else f"for {words.span(now - seen)}"
    return doctor.warning(
        f"Nobody has looked at the mailbox stack {since}, so what is known of it may be old.",
        "See that the worker and beat run (manage.py up starts both).",
    )


def _certificate(stack: Stack, now: datetime) -> doctor.Finding | None:
    problems = certificatestate.read(stack).problems()
    if not problems:
        return None
    judge = doctor.failed if stack.tls_expires_at and stack.tls_expires_at <= now else doctor.warning
    return judge(
        " ".join(problems), "Upload another one in the Mailboxes tab, or see why its files are not renewed."
    )


def _disk(stack: Stack) -> doctor.Finding | None:
    left = room.read(stack)
    if left is None or left.state == "ok":
        return None
    if left.state == "full":
        return doctor.failed(
            left.sentence, "Make room where Docker keeps its volumes: mail is put off while there is none."
        )
    return doctor.warning(
        left.sentence, "Make room soon where Docker keeps its volumes, or enlarge the disk."
    )


def _secrets(stack: Stack) -> doctor.Finding | None:
    hashes = Mailbox.objects.live().only("password_hash").iterator()
    keys = DkimKey.objects.only("private_key").iterator()
    counts = {
        "mailbox passwords": sum(_is_lost(row.password_hash) for row in hashes),
        "DKIM keys": sum(_is_lost(row.private_key) for row in keys),
        "keys of the certificate": _is_lost(stack.tls_key),
        "passwords of Rspamd's web interface": _is_lost(stack.controller_password),
    }
    lost = [f"{count:d} {what}" for what, count in counts.items() if count]
    if not lost:
        return None
    return doctor.failed(f"These secrets cannot be read with this key file: {', '.join(lost)}.", _ADVICE_KEY)


def _is_lost(secret: Sealed[str] | None) -> bool:
    return secret is not None and not secret.readable


def _pending(stack: Stack) -> doctor.Finding | None:
    if not stack.pending:
        return None
    return doctor.warning(
        f"A repair waits because it would interrupt mail: {' '.join(map(str, stack.pending))}",
        "Allow it in the Mailboxes tab when it suits.",
    )


def _guessed(stack: Stack) -> doctor.Finding | None:
    if not stack.guessed:
        return None
    return doctor.warning(
        f"Somebody guesses the password of {', '.join(sorted(stack.guessed))}.",
        "Guesses have to wait; see that these mailboxes have long passwords.",
    )
