"""Names senders by what DNS says of their address, and recognises those that send for this node. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dnsrecords.names import within

#: What a confirmed name ends in → the service, and the relay preset if it is one.
_SERVICES: tuple[tuple[str, str, str], ...] = (
    ("mailgun.net", "Mailgun", "mailgun"),
    ("mailgun.org", "Mailgun", "mailgun"),
    ("sendgrid.net", "SendGrid", "sendgrid"),
    ("mtasv.net", "Postmark", "postmark"),
    ("postmarkapp.com", "Postmark", "postmark"),
    ("amazonses.com", "Amazon SES", "ses"),
    ("google.com", "Google", ""),
    ("googlemail.com", "Google", ""),
    ("outlook.com", "Microsoft 365", ""),
    ("hotmail.com", "Microsoft", ""),
    ("yahoo.com", "Yahoo", ""),
    ("yahoodns.net", "Yahoo", ""),
    ("messagingengine.com", "Fastmail", ""),
    ("protonmail.ch", "Proton Mail", ""),
    ("apple.com", "Apple", ""),
    ("icloud.com", "Apple", ""),
    ("zoho.com", "Zoho", ""),
    ("zoho.eu", "Zoho", ""),
    ("mcsv.net", "Mailchimp", ""),
    ("mcdlv.net", "Mailchimp", ""),
    ("rsgsv.net", "Mailchimp", ""),
    ("mandrillapp.com", "Mailchimp Transactional", ""),
    ("sendinblue.com", "Brevo", ""),
    ("sender-sib.com", "Brevo", ""),
    ("mailjet.com", "Mailjet", ""),
    ("sparkpostmail.com", "SparkPost", ""),
    ("hubspotemail.net", "HubSpot", ""),
    ("exacttarget.com", "Salesforce", ""),
    ("salesforce.com", "Salesforce", ""),
    ("zendesk.com", "Zendesk", ""),
    ("klaviyomail.com", "Klaviyo", ""),
    ("ccsend.com", "Constant Contact", ""),
    ("shopifyemail.com", "Shopify", ""),
    ("pphosted.com", "Proofpoint", ""),
    ("mimecast.com", "Mimecast", ""),
    ("barracudanetworks.com", "Barracuda", ""),
    ("gmx.net", "GMX", ""),
    ("web.de", "WEB.DE", ""),
    ("kundenserver.de", "IONOS", ""),
    ("perfora.net", "IONOS", ""),
    ("ovh.net", "OVHcloud", ""),
    ("mail.ru", "Mail.ru", ""),
    ("yandex.net", "Yandex", ""),
)


#: The sender of mails whose address is not kept.
OTHERS = "Other addresses"


@dataclass(frozen=True, slots=True)
class Node:
    """What this node sends from.

    Attributes:
        addresses: its own, as the Internet sees them.
        hostname: of the mail server; empty: none.
        relay: the preset of the relay; empty: none, or one that was typed in.
        relay_host: the host of the relay; empty: none.
    """

    addresses: frozenset[str] = frozenset()
    hostname: str = ""
    relay: str = ""
    relay_host: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent.

    Attributes:
        name: the service, or the domain, or the network, or the address.
        is_ours: this node or its relay sent it, whether or not it passed.
    """

    name: str
    is_ours: bool = False
    is_service: bool = False


def sender(address: str, host: str, operator: str, node: Node) -> Sender:
    """Who an address is.

    Args:
        host: the confirmed name of the address; empty: none.
        operator: whose network it is in; empty: not known.
    """
    if not address:
        return Sender(OTHERS)
    if address in node.addresses or (host and host == node.hostname):
        return Sender("This node", is_ours=True)
    for suffix, service, preset in _SERVICES:
        if host and within(host, suffix):
            ours = bool(preset) and preset == node.relay
            return Sender(f"{service} (your relay)" if ours else service, is_ours=ours, is_service=True)
    if host and node.relay_host and _organisation(host) == _organisation(node.relay_host):
        return Sender(f"{_organisation(host)} (your relay)", is_ours=True)
    if host:
        return Sender(_organisation(host))
    return Sender(operator or address)


def of_relay(node: Node) -> list[str]:
    """What the confirmed names of hosts of our relay end in."""
    found = [suffix for suffix, _, preset in _SERVICES if preset and preset == node.relay]
    return [*found, _organisation(node.relay_host)] if node.relay_host else found


#: Labels below a country's top level that belong to nobody.
_SECOND_LEVELS: Collection[str] = frozenset({"co", "com", "net", "org", "ac", "gov", "edu", "ne", "or"})


def _organisation(host: str) -> str:
    """The last two labels of a name, or three below such as co.uk. Only for names that people read."""
    labels = host.split(".")
    number = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS else 2
    return ".".join(labels[-number:])
