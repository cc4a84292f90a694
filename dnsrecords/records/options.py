"""The options that the operator chose for a domain's records, and what this node serves because of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Exists, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from dnsrecords.models import DomainCheck, DomainOptions
from dnsrecords.mtasts.policy import served_policy
from dnsrecords.records import tlsa
from mailboxes import changes
from mailboxes.models import Domain, Stack
from quazzar.access import audit
from quazzar.errors import InvalidFields, QuazzarError

if TYPE_CHECKING:
    from collections.abc import Collection

Mode = DomainOptions.MtaSts
Dmarc = DomainOptions.Dmarc


class MtaStsNotReady(QuazzarError):
    """MTA-STS cannot be enforced, because other servers would not accept the mail server's certificate."""

    code = "mta_sts_not_ready"
    hint = (
        "Give the mail server a trusted certificate for its hostname, for example from Let's Encrypt "
        "(Mailboxes → Server → Certificate). Leave MTA-STS in testing until then."
    )
    status = 409


def for_domain(domain: Domain) -> DomainOptions:
    """The options of a domain: its row, or an unsaved one with the defaults."""
    return DomainOptions.objects.filter(pk=domain.pk).first() or DomainOptions(domain=domain)


def change(domain_id: int, *, mta_sts: str | None = None, dmarc: str | None = None) -> DomainOptions:
    """Changes a domain's options; None leaves an option as it is.

    Raises:
        NotFound: there is no such domain.
        InvalidFields: ``mta_sts`` is no mode of MTA-STS, or ``dmarc`` no policy.
        MtaStsNotReady: enforcing MTA-STS would keep mail away.
    """
    with changes.writing():
        domain = changes.existing(Domain.objects.all(), domain_id)
        row = for_domain(domain)
        changed: dict[str, tuple[str, str]] = {}
        if mta_sts is not None and mta_sts != row.mta_sts:
            before, row.mta_sts = row.mta_sts, _mode(mta_sts)
            changed["mta_sts"] = (str(before), str(row.mta_sts))
        if dmarc is not None and dmarc != row.dmarc:
            before, row.dmarc = row.dmarc, _policy(dmarc)
            changed["dmarc"] = (str(before), str(row.dmarc))
        if not changed:
            return row
        row.save()
        # Other records are wanted now: look them up soon.
        DomainCheck.objects.filter(pk=domain_id).update(due_at=timezone.now())
        audit.record("domain.dns_options_changed", domain.name, changes=changed)
    return row


def _policy(text: str) -> Dmarc:
    if text not in Dmarc.values:
        raise InvalidFields({"dmarc": [f"Choose one of {', '.join(Dmarc.values)}."]})
    return Dmarc(text)


def _mode(text: str) -> Mode:
    if text not in Mode.values:
        raise InvalidFields({"mta_sts": [f"Choose one of {', '.join(Mode.values)}."]})
    if text == Mode.ENFORCE and (objection := _objection(Stack.load())):
        raise MtaStsNotReady(
            f"MTA-STS cannot be enforced: {objection}, so other servers would refuse to deliver."
        )
    return Mode(text)


def warning(domain: Domain) -> str:
    """What is wrong with the options at present, as two sentences; empty: nothing."""
    if for_domain(domain).mta_sts != Mode.ENFORCE:
        return ""
    objection = _objection(Stack.load())
    if not objection:
        return ""
    return (
        f"MTA-STS is enforced, but {objection}: servers that know the policy refuse to deliver mail for "
        f"{domain.name}. Fix the certificate at once, or set MTA-STS back to testing."
    )


def objection() -> str:
    """Why MTA-STS cannot be enforced now, as a clause; empty: it can."""
    return _objection(Stack.load())


def _objection(stack: Stack) -> str:
    if not stack.hostname:
        return "the mail server has no hostname yet"
    return tlsa.objection(stack.tls_certificate, stack.hostname, timezone.now())


# --- what is served: one query each ------------------------------------------------------------------------
def policy(domain: str) -> str:
    """The MTA-STS policy of a domain, by its name; empty: none is served."""
    mode = Domain.objects.filter(name=domain).values(
        mode=Coalesce("dns_options__mta_sts", Value(Mode.TESTING.value))
    )
    rows = Stack.objects.filter(pk=1).annotate(mode=Subquery(mode[:1])).values_list("hostname", "mode")
    hostname, chosen = rows.first() or ("", None)
    return served_policy(hostname, chosen or Mode.OFF)


def mail_host(names: Collection[str]) -> str:
    """The mail server's hostname, if one of these names is its own or a domain of this node; else empty."""
    ours = Exists(Domain.objects.filter(name__in=names))
    rows = Stack.objects.filter(pk=1).annotate(ours=ours).values_list("hostname", "ours")
    hostname, has_domain = rows.first() or ("", False)
    return hostname if has_domain or hostname in names else ""
