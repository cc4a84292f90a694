"""The reader of mail with reports: finds them in an inbox, and keeps who sent them."""

from __future__ import annotations

from email.utils import parseaddr

from dnsrecords.reports import intake, unpacking
from dnsrecords.reports.values import Unfit, text
from mailboxes.models import Stack
from mailrelay.mail import rawmail
from mailrelay.models import Inbox


def read(raw: bytes) -> bool:
    """Store the reports in a mail; True if it has one, new or known. A mail without any is left alone."""
    if next(iter(unpacking.in_mail(raw)), None) is None:
        return False
    sender, is_authenticated = origin(raw)
    try:
        intake.take(raw, intake.Way.MAIL, sender=sender, is_authenticated=is_authenticated)
    except Unfit:
        return False  # it is counted, and the mail stays where it is
    return True


def origin(raw: bytes) -> tuple[str, bool]:
    """The address in From, and whether our own mail server found that DMARC passes for it.

    That is believed while all mail comes from there: another server lets anybody's field with our name through.
    """
    head = rawmail.read(raw[:200_000])
    sender = text(parseaddr(head.get("from")[:2_000])[1], 320)
    hostname = Stack.objects.filter(pk=1).values_list("hostname", flat=True).first() or ""
    # The server removes any that already carries its name (RFC 8601 §5), so the first one with it is its own.
    verdicts = (value.strip().lower() for value in head.texts("authentication-results"))
    own = next(
        (value for value in verdicts if hostname and value.split(";")[0].split()[:1] == [hostname]), ""
    )
    passes = any(part.strip().startswith("dmarc=pass") for part in own.split(";"))
    return sender, passes and not Inbox.objects.filter(enabled=True, owned=False).exists()
