"""What the blocklists say, for doctor, Home, page, API and metrics."""

from __future__ import annotations

from dnsrecords.blocklists import check
from dnsrecords.blocklists.lists import BY_KEY, is_address
from dnsrecords.blocklists.verdicts import State
from dnsrecords.models import BlocklistEntry
from quazzar import words
from quazzar.monitoring import doctor

_OWN_RESOLVER = (
    "Run a resolver of your own on this node, such as Unbound, and set QUAZZAR_DNS_RESOLVERS to it."
)
_LEAVE_OUT = "Or leave the list out of QUAZZAR_BLOCKLISTS."


def examine() -> doctor.Finding:
    """The doctor's check: whether a list has something that mail leaves from."""
    if not check.enabled():
        return doctor.idle("Blocklists are not checked: QUAZZAR_BLOCKLISTS is off.")
    rows = list(BlocklistEntry.objects.order_by("since"))
    if listed := [row for row in rows if row.listed]:
        return _listed(listed)
    if refused := [row for row in rows if row.trouble == State.REFUSED]:
        names = _names(refused)
        return doctor.warning(
            f"{names} did not say whether this node is listed: {refused[0].trouble_reason}.",
            " ".join(filter(None, (_OWN_RESOLVER, BY_KEY[refused[0].blocklist].remedy or _LEAVE_OUT))),
        )
    if broken := [row for row in rows if row.trouble == State.BROKEN]:
        return doctor.warning(
            f"{_names(broken)} cannot be used: {broken[0].trouble_reason}.", f"{_OWN_RESOLVER} {_LEAVE_OUT}"
        )
    return _clear(rows)


def _listed(rows: list[BlocklistEntry]) -> doctor.Finding:
    first = next((row for row in rows if is_address(row.subject)), rows[0])
    more = f" Also: {words.count(len(rows) - 1, 'more entry', 'more entries')}." if len(rows) > 1 else ""
    blocklist = BY_KEY[first.blocklist]
    what = f"{first.subject} is on the blocklist {blocklist.name}"
    why = f" ({first.reason})" if first.reason else ""
    advice = f"Find the cause first, then look it up and ask for removal: {blocklist.page}"
    if is_address(first.subject) and not check.sends_directly():
        return doctor.warning(
            f"{what}{why}. No mail leaves from this address: the mail server is off or sends through the relay.{more}",
            advice,
            since=first.since,
        )
    return doctor.failed(
        f"{what}{why}, so other servers refuse mail from it or mark it as spam.{more}",
        advice,
        since=first.since,
    )


def _clear(rows: list[BlocklistEntry]) -> doctor.Finding:
    if not rows:
        return doctor.idle(
            "There is nothing to look up in blocklists yet: no public address and no domain is known."
        )
    answered = {row.blocklist for row in rows if row.checked_at and not row.trouble}
    silent = {row.blocklist for row in rows if row.trouble}
    if not answered:
        return doctor.idle(f"No blocklist answers at present; {words.count(len(silent), 'list')} asked.")
    what = words.count(len({row.subject for row in rows}), "address or domain", "addresses and domains")
    unheard = f" {words.count(len(silent), 'list does', 'lists do')} not answer at present." if silent else ""
    return doctor.ok(
        f"{words.count(len(answered), 'blocklist')} asked about {what}: none is listed.{unheard}"
    )


def _names(rows: list[BlocklistEntry]) -> str:
    names = list(dict.fromkeys(BY_KEY[row.blocklist].name for row in rows))
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
