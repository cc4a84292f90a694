"""The checks of mail in transit: what waits in Postfix, and whether it sees the clients' addresses."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from mailboxes.mailqueue import watch
from mailboxes.models import Stack
from mailboxes.monitoring.stack import CHECK
from mailboxes.stack import versions
from quazzar.models import Finding
from quazzar.monitoring import doctor

_SOON = timedelta(minutes=2)
_OFF = "The mail server is not enabled."
_UNKNOWN_WAY = "from programs on this machine, or through Docker's userland proxy"


def queue() -> doctor.Finding:
    """Whether mail waits in Postfix, and why."""
    stack = Stack.load()
    if not stack.enabled:
        return doctor.idle(_OFF)
    summary = watch.read(stack)
    if summary is None:
        if stack.phase != Stack.Phase.HEALTHY or _is_new():
            return doctor.idle("Postfix's queue has not been checked yet.")
        return doctor.warning(
            "Postfix's queue has not been checked yet.",
            "Make sure that the worker and beat are running, and check again in a minute.",
        )
    now = timezone.now()
    sentence = watch.sentence(summary, now)
    if not summary.count:
        return doctor.ok(sentence)
    trouble, since = watch.troubles(summary, now), summary.oldest_at
    if "ours" in trouble:
        advice = "Send a test mail in the Relay settings, and fix what it finds."
        return doctor.failed(sentence, advice, since=since)
    advice = "The page Postfix's queue lists the waiting mail. Postfix keeps trying for five days."
    return (doctor.failed if "late" in trouble else doctor.warning)(sentence, advice, since=since)


def _is_new() -> bool:
    """Whether the server has just come up: the worker looks into its queue within a minute."""
    return Finding.objects.filter(check_name=CHECK, since__gt=timezone.now() - _SOON).exists()


def images() -> doctor.Finding:
    """Which versions run, and whether one of them must be replaced."""
    stack = Stack.load()
    if not stack.enabled:
        return doctor.idle(_OFF)
    found = versions.read(stack)
    for version in found:
        if version.danger:
            return doctor.failed(
                f"{version.service.title()} {version.running} runs. {version.danger}",
                f"Unset QUAZZAR_IMAGE_{version.service.upper()} or set it to a newer image, restart Quazzar, and press "
                "Upgrade… on the Mail server page.",
            )
    known = [f"{version.service.title()} {version.sentence}" for version in found]
    return doctor.ok(f"{'; '.join(known)}.")


def clients() -> doctor.Finding:
    """What share of its clients Postfix sees under an address that is not theirs."""
    stack = Stack.load()
    if not stack.enabled:
        return doctor.idle(_OFF)
    seen, hidden = stack.clients.get("seen", 0), stack.clients.get("hidden", 0)
    if not seen:
        return doctor.idle("Too few connections so far to tell.")
    if not hidden:
        return doctor.ok(f"Postfix saw the real client address of each of the last {seen} connections.")
    share = 100 * hidden // seen or 1
    return doctor.warning(
        f"Of the last {seen} connections to Postfix, {hidden} ({share} %) came from the address of "
        f"Docker's gateway, {'; or '.join(stack.clients.get('ways') or [_UNKNOWN_WAY])}. Spam checks and "
        "logs cannot use the sender's real address.",
        "If they do not come from this machine, let Docker forward with iptables: set "
        '"iptables": true and "userland-proxy": false in /etc/docker/daemon.json. Mail is still delivered.',
    )
