"""Asks the blocklists about what mail leaves from, a few times a day, and tells the operator what changed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from dnsrecords.blocklists import verdicts
from dnsrecords.blocklists.lists import BY_KEY, LISTS, Blocklist
from dnsrecords.blocklists.verdicts import State, Verdict
from dnsrecords.lookup.resolver import Resolver
from dnsrecords.models import BlocklistChange, BlocklistEntry, BlocklistRound
from dnsrecords.visibility import is_visible
from mailboxes.models import Domain, Stack
from mailrelay.notices.notify import notify_operator
from quazzar.monitoring import findings

logger = logging.getLogger(__name__)

#: The name of the doctor's check.
CHECK = "blocklists"
EVERY = timedelta(hours=6)
#: The lists are for small users: more domains than this are not asked about.
MOST_DOMAINS = 100
_DEADLINE = 12.0
#: Changes that are kept, and for how long.
_KEPT_FOR, _KEPT = timedelta(days=400), 1_000


@dataclass(frozen=True, slots=True)
class News:
    """Something was listed, or is no longer."""

    subject: str
    blocklist: Blocklist
    listed: bool
    reason: str = ""


def enabled() -> list[Blocklist]:
    """The lists that are asked; the operator may leave some out."""
    return [each for each in LISTS if each.key in settings.QUAZZAR_BLOCKLISTS]


def subjects() -> list[str]:
    """The addresses that mail leaves from, as others see them, and our domains."""
    addresses = [each for each in settings.QUAZZAR_PUBLIC_ADDRESSES if is_visible(each)]
    domains = Domain.objects.order_by("name").values_list("name", flat=True)[:MOST_DOMAINS]
    return [*dict.fromkeys([*addresses, *domains])]


def sends_directly() -> bool:
    """Whether the mail server delivers mail itself, from this node's addresses."""
    stack = Stack.load()
    return stack.enabled and not stack.send_through_relay


def check_due() -> bool:
    """Ask the lists if it is time, or if something new is to be asked about."""
    if not enabled():
        BlocklistEntry.objects.all().delete()
        return False
    now, asked = timezone.now(), _digest()
    row, _ = BlocklistRound.objects.get_or_create(pk=1)
    if row.due_at > now and row.asked == asked:
        return False
    # Of two workers, the one that moves the time on asks.
    if not BlocklistRound.objects.filter(pk=1, due_at=row.due_at, asked=row.asked).update(
        due_at=now + EVERY, asked=asked
    ):
        return False
    check()
    return True


def check() -> list[News]:
    """Ask all lists now; returns, and mails, what changed."""
    wanted = {each.key: [subject for subject in subjects() if each.takes(subject)] for each in enabled()}
    found = look(wanted)
    with transaction.atomic():
        # One after the other: what two at once found is stored, and told, once.
        BlocklistRound.objects.select_for_update().get_or_create(pk=1)
        news = _store(found)
        if news:
            notify_operator(*compose(news))
    for item in news:
        logger.warning("blocklists: %s", headline(item))
    findings.look({CHECK})
    return news


def look(wanted: Mapping[str, list[str]]) -> dict[tuple[str, str], Verdict]:
    """(subject, key of the list) → what the list says. Reads and writes no rows."""
    asked = {key: verdicts.questions(BY_KEY[key], about) for key, about in wanted.items() if about}
    with Resolver(servers=tuple(settings.QUAZZAR_DNS_RESOLVERS), deadline=_DEADLINE) as resolver:
        answers = resolver.lookup_all((name, "A") for names in asked.values() for name in names.values())
    return {
        (subject, key): verdicts.judge(
            BY_KEY[key], subject, {each: answers[name, "A"] for each, name in names.items()}
        )
        for key, names in asked.items()
        for subject in wanted[key]
    }


def _store(found: Mapping[tuple[str, str], Verdict]) -> list[News]:
    now = timezone.now()
    news: list[News] = []
    rows = {(row.subject, row.blocklist): row for row in BlocklistEntry.objects.all()}
    BlocklistEntry.objects.filter(pk__in=[row.pk for key, row in rows.items() if key not in found]).delete()
    for (subject, key), verdict in found.items():
        row = rows.get((subject, key)) or BlocklistEntry(subject=subject, blocklist=key)
        if item := _apply(row, verdict):
            BlocklistChange.objects.create(
                subject=subject, blocklist=key, listed=item.listed, reason=item.reason, at=now
            )
            news.append(item)
        row.save()
    _forget()
    return news


def _apply(row: BlocklistEntry, verdict: Verdict) -> News | None:
    """Change the row; what is news about it. A list that says nothing changes nothing that is known."""
    now = timezone.now()
    if verdict.state not in (State.LISTED, State.CLEAR):
        row.trouble, row.trouble_reason = verdict.state.value, verdict.reason
        return None
    before, listed = row.listed, verdict.state is State.LISTED
    row.trouble = row.trouble_reason = ""
    row.listed, row.reason, row.checked_at = listed, verdict.reason, now
    if before == listed:
        return None
    row.since = now
    is_news = listed or bool(before)
    return News(row.subject, BY_KEY[row.blocklist], listed, verdict.reason) if is_news else None


def _forget() -> None:
    old = BlocklistChange.objects.filter(at__lt=timezone.now() - _KEPT_FOR)
    old.delete()
    if ids := list(BlocklistChange.objects.values_list("id", flat=True)[_KEPT : _KEPT + 1]):
        BlocklistChange.objects.filter(id__lte=ids[0]).delete()


def _digest() -> str:
    told = "\n".join([*subjects(), "", *(each.key for each in enabled())])
    return hashlib.sha256(told.encode()).hexdigest()


# --- the mail ----------------------------------------------------------------------------------------------
def headline(item: News) -> str:
    """One line: "192.0.2.1 is on the blocklist Spamhaus ZEN"."""
    return f"{item.subject} is {'' if item.listed else 'no longer '}on the blocklist {item.blocklist.name}"


def compose(news: Iterable[News]) -> tuple[str, str]:
    """Subject and text of the mail; what was listed comes first."""
    ordered = sorted(news, key=lambda item: (not item.listed, item.subject))
    more = len(ordered) - 1
    lines = []
    for item in ordered:
        lines.append(f"{headline(item)}{f': {item.reason}' if item.reason else ''}.")
        if item.listed:
            lines.append(f"Find the cause first, then look it up and ask for removal: {item.blocklist.page}")
        lines.append("")
    lines.append("The console's Blocklists page, under DNS records, shows what all lists say.")
    return f"[Blocklist] {headline(ordered[0])}{f' (and {more} more)' if more else ''}", "\n".join(
        lines
    ) + "\n"
