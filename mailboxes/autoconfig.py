"""How a mail program reaches a mailbox: as a list to copy, for Thunderbird, and as an Apple profile. Pure."""

from __future__ import annotations

import plistlib
import re
import uuid
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree as ET  # writes only

from mailboxes import addresses

#: What XML 1.0 cannot hold, and what would turn a text around.
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")
_NAMESPACE = uuid.UUID("6f1d2c1e-5b7a-5a39-9a3e-3a1f0c7f2b11")
_SOCKET = {"tls": "SSL", "starttls": "STARTTLS"}


@dataclass(frozen=True)
class Server:
    """One way in (``imap``) or out (``smtp``), as a mail program asks for it."""

    protocol: Literal["imap", "smtp"]
    host: str
    port: int
    security: Literal["tls", "starttls"]
    username: str


def servers(address: str, hostname: str, port_offset: int = 0) -> list[Server]:
    """What to type into a mail program, the best choice of each protocol first.

    Raises:
        ValueError: the address or the hostname is none.
    """
    username, host = "@".join(addresses.split(address)), addresses.domain(hostname)
    return [
        Server("imap", host, 993 + port_offset, "tls", username),
        Server("imap", host, 143 + port_offset, "starttls", username),
        Server("smtp", host, 465 + port_offset, "tls", username),
        Server("smtp", host, 587 + port_offset, "starttls", username),
    ]


def thunderbird(address: str, hostname: str, port_offset: int = 0) -> bytes:
    """Mozilla's autoconfig file, config version 1.1, for one mailbox.

    Raises:
        ValueError: the address or the hostname is none.
    """
    name = addresses.split(address)[1]
    root = ET.Element("clientConfig", version="1.1")
    provider = ET.SubElement(root, "emailProvider", id=name)
    _text(provider, "domain", name)
    _text(provider, "displayName", addresses.shown(name))
    _text(provider, "displayShortName", addresses.shown(name))
    for server in servers(address, hostname, port_offset):
        tag = "incomingServer" if server.protocol == "imap" else "outgoingServer"
        element = ET.SubElement(provider, tag, type=server.protocol)
        _text(element, "hostname", server.host)
        _text(element, "port", str(server.port))
        _text(element, "socketType", _SOCKET[server.security])
        _text(element, "authentication", "password-cleartext")  # inside TLS: the mechanism is PLAIN
        _text(element, "username", server.username)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def apple_profile(address: str, display_name: str, hostname: str, port_offset: int = 0) -> bytes:
    """A .mobileconfig for iOS and macOS; it asks for the password when it is installed.

    Raises:
        ValueError: the address or the hostname is none.
    """
    found = servers(address, hostname, port_offset)
    incoming = next(each for each in found if each.protocol == "imap")
    outgoing = next(each for each in found if each.protocol == "smtp")
    shown = addresses.shown(incoming.username)
    account = {
        **_payload("com.apple.mail.managed", "account", incoming.username, f"Mail for {shown}"),
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAccountDescription": shown,
        "EmailAccountName": _UNWRITABLE.sub(" ", display_name).strip() or shown,
        "EmailAddress": incoming.username,
        **_apple_server("Incoming", incoming),
        **_apple_server("Outgoing", outgoing),
        "OutgoingPasswordSameAsIncomingPassword": True,
    }
    profile = {
        **_payload("Configuration", "profile", incoming.username, f"Mail for {shown}"),
        "PayloadDescription": f"Sets up {shown} in Mail. It asks for the mailbox's password.",
        "PayloadOrganization": incoming.host,
        "PayloadRemovalDisallowed": False,
        "PayloadContent": [account],
    }
    return plistlib.dumps(profile, sort_keys=True)


def _text(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text


def _payload(kind: str, part: str, address: str, name: str) -> dict[str, Any]:
    # The same address gives the same identifiers: a profile installed again replaces the first.
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"quazzar.mail.{part}.{uuid.uuid5(_NAMESPACE, address)}",
        "PayloadUUID": str(uuid.uuid5(_NAMESPACE, f"{part} {address}")).upper(),
        "PayloadDisplayName": name,
    }


def _apple_server(direction: str, server: Server) -> dict[str, Any]:
    prefix = f"{direction}MailServer"
    return {
        f"{prefix}Authentication": "EmailAuthPassword",
        f"{prefix}HostName": server.host,
        f"{prefix}PortNumber": server.port,
        f"{prefix}UseSSL": True,
        f"{prefix}Username": server.username,
    }
