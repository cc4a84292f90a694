"""The checks of the mail server: whether it runs, its certificate, its disk, its secrets, and password guessing."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from mailboxes.certificates import pem
from mailboxes.certificates import state as certificatestate
from mailboxes.models import DkimKey, Mailbox, Stack
from mailboxes.quota import room
from quazzar import words
from quazzar.models import FindingChange
from quazzar.monitoring import doctor
from quazzar.sealing.values import Sealed

#: The name of the check whether the containers run.
CHECK = "stack"
#: How long to show a problem that was fixed at once, such as a container that died; otherwise nobody would see it.
TOLD_FOR = timedelta(seconds=40)
#: Warn if the worker has not checked the stack for this long; normally it does three times a minute.
UNOBSERVED = timedelta(minutes=10)
OFF = "The mail server is not enabled."
_ADVICE_KEY = (
    "Put back the key file that sealed them, or set them again. Until then, the mail server keeps using "
    "its own copies."
)


def examine() -> doctor.Finding:
    """Whether the containers run as they should, failures before warnings."""
    stack, now = Stack.load(), timezone.now()
    if not stack.enabled:
        return _disabled(stack)
    problems = [each for each in (_phase(stack), _observation(stack, now), _pending(stack)) if each]
    failures = [finding for finding in problems if finding.level == doctor.Level.FAILED]
    return next(iter(failures or problems), None) or _mended(now) or doctor.ok(f"{stack} is healthy.")


def certificate() -> doctor.Finding:
    """Whether mail programs accept the certificate."""
    stack = Stack.load()
    if not stack.enabled:
        return doctor.idle(OFF)
    state = certificatestate.read(stack)
    problems = state.problems()
    if not problems:
        until = f" It is valid until {words.day(state.expires_at)}." if state.expires_at else ""
        return doctor.ok(f"The certificate is for {stack.hostname}.{until}")
    advice = "Upload another certificate on the Mail server page, or find out why its files are not renewed."
    if state.expires_at is not None and state.expires_at <= timezone.now():
        return doctor.failed(" ".join(problems), advice, since=state.expires_at)
    is_for_another = state.names and not pem.are_for(state.names, stack.hostname)
    return (doctor.failed if is_for_another else doctor.warning)(" ".join(problems), advice)


def disk() -> doctor.Finding:
    """Whether there is room where Docker keeps the mail."""
    stack = Stack.load()
    left = room.read(stack) if stack.enabled else None
    if left is None:
        return doctor.idle(
            OFF if not stack.enabled else "The disk that holds the mail has not been measured yet."
        )
    if left.state == "ok":
        return doctor.ok(left.sentence)
    if left.state == "full":
        return doctor.failed(
            left.sentence,
            "Free space now where Docker keeps its volumes: until you do, incoming mail is deferred.",
        )
    return doctor.warning(
        left.sentence, "Free space soon where Docker keeps its volumes, or enlarge the disk."
    )


def secrets() -> doctor.Finding:
    """Whether this key file opens the passwords and keys of the mail server."""
    stack = Stack.load()
    if not stack.enabled:
        return doctor.idle(OFF)
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
        return doctor.ok("This key file decrypts every password and key of the mail server.")
    return doctor.failed(f"This key file cannot decrypt {', '.join(lost)}.", _ADVICE_KEY)


def guesses() -> doctor.Finding:
    """Whether mailbox passwords are being guessed."""
    stack = Stack.load()
    if not stack.enabled:
        return doctor.idle(OFF)
    if not stack.guessed:
        return doctor.ok("Nobody is guessing mailbox passwords.")
    return doctor.warning(
        f"Someone is guessing the password of {', '.join(sorted(stack.guessed))}.",
        "Further guesses are slowed down. Make sure these mailboxes have long passwords.",
    )


def _disabled(stack: Stack) -> doctor.Finding:
    if stack.last_error and stack.phase == Stack.Phase.STOPPING:
        return doctor.warning(f"The mail server cannot be stopped: {_sentence(stack)}", _hint(stack))
    return doctor.idle(OFF)


def _phase(stack: Stack) -> doctor.Finding | None:
    if stack.phase == Stack.Phase.HEALTHY:
        return None
    if stack.phase == Stack.Phase.FAILED:
        return doctor.failed(f"The mail server could not be started: {_sentence(stack)}", _hint(stack))
    if stack.phase == Stack.Phase.DEGRADED and stack.last_error:
        return doctor.failed(_sentence(stack), _hint(stack))
    if stack.last_error:
        word = Stack.Phase(stack.phase).label.lower()
        return doctor.failed(f"The mail server is {word}: {_sentence(stack)}", _hint(stack))
    return doctor.warning(
        f"The mail server is starting: {stack.progress_message or Stack.Phase(stack.phase).label}.",
        "Look again in a minute.",
    )


def _mended(now: datetime) -> doctor.Finding | None:
    """A problem that was there a moment ago and is fixed now."""
    failures = FindingChange.objects.filter(check_name=CHECK, level=doctor.Level.FAILED)
    change = failures.filter(at__gt=now - TOLD_FOR).first()
    if change is None:
        return None
    return doctor.warning(
        f"The mail server works again. The problem was: {change.sentence}",
        "You don't have to do anything. If it happens again, read its log on the Mail server page.",
        since=change.at,
    )


def _sentence(stack: Stack) -> str:
    return str((stack.last_error or {}).get("message") or "no reason is known.")


def _hint(stack: Stack) -> str:
    return str((stack.last_error or {}).get("hint") or "Read the logs in the Mailboxes tab.")


def _observation(stack: Stack, now: datetime) -> doctor.Finding | None:
    seen = stack.observed_at
    if seen is not None and now - seen <= UNOBSERVED:
        return None
    since = "yet" if seen is None else f"for {words.span(now - seen)}"
    return doctor.warning(
        f"The mail server has not been checked {since}, so its state here may be out of date.",
        "Make sure that the worker and beat are running (manage.py up starts both).",
    )


def _is_lost(secret: Sealed[str] | None) -> bool:
    return secret is not None and not secret.readable


def _pending(stack: Stack) -> doctor.Finding | None:
    if not stack.pending:
        return None
    return doctor.warning(
        f"A repair is waiting because it would interrupt mail: {' '.join(map(str, stack.pending))}",
        "Approve it in the Mailboxes tab when an interruption suits you.",
    )
