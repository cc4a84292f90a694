"""Whether the addresses in DNS to which other servers report have a reader, for doctor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from dnsrecords.models import RecordCheck
from dnsrecords.text import reportaddresses
from mailboxes.models import Domain, Stack
from mailboxes.provisioning import routes
from quazzar import words
from quazzar.monitoring import doctor

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The records that name such addresses, and what each is called.
_RECORDS: Final = {"dmarc": "DMARC", "tls_rpt": "TLS-RPT"}
_RUA = re.compile(r"(?:^|[;\s])rua[ \t]*=([^;]*)", re.IGNORECASE)
_MOST_NAMED = 3
_ADVICE = (
    "Switch on Quazzar's own mailbox on the Server page, add a mailbox or an alias with that address, or change rua= "
    "in the record."
)


def examine() -> doctor.Finding:
    """Whether somebody reads what is sent to the addresses of our own domains that DNS records name."""
    if not Stack.load().enabled:
        return doctor.idle("The mail server is not enabled.")
    named = dict(_named())
    if not named:
        return doctor.idle("No DNS record asks for reports to an address of this mail server.")
    unread = sorted(named.keys() - routes.reachable(named))
    if not unread:
        return doctor.ok("Every address for reports in your DNS records has a reader.")
    told = [f"{named[address]} has reports sent to {address}, where nobody reads them." for address in unread]
    more = len(told) - _MOST_NAMED
    also = f" And {words.count(more, 'more address', 'more addresses')}." if more > 0 else ""
    return doctor.warning(" ".join(told[:_MOST_NAMED]) + also, _ADVICE)


def _named() -> Iterator[tuple[str, str]]:
    """Addresses in domains of this mail server → the record that names them, as it is published."""
    ours = set(Domain.objects.values_list("name", flat=True))
    rows = RecordCheck.objects.filter(record__in=_RECORDS).exclude(found=[]).select_related("domain")
    for row in rows.order_by("-pk"):
        for value in _RUA.findall(" ; ".join(map(str, row.found))):
            for found in reportaddresses.read(value, sizes=True):
                if found.scheme == "mailto" and not found.error and found.host in ours:
                    yield _address(found.text), f"The {_RECORDS[row.record]} record of {row.domain.name}"


def _address(uri: str) -> str:
    return unquote(uri.partition(":")[2].partition("?")[0].partition("#")[0]).lower()
