"""How mail programs reach a mailbox: a list to copy, and files for Thunderbird, Outlook and Apple Mail. Pure."""

from __future__ import annotations

import plistlib
import re
import uuid
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree as ET  # writes only

from mailboxes.provisioning import addresses

#: Characters that XML 1.0 cannot hold, and those that change the direction of text.
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")
_NAMESPACE = uuid.UUID("6f1d2c1e-5b7a-5a39-9a3e-3a1f0c7f2b11")
_SOCKET = {"tls": "SSL", "starttls": "STARTTLS"}
#: Thunderbird replaces this with the address that the user typed.
_ANY_ADDRESS = "%EMAILADDRESS%"
_AUTODISCOVER = "http://schemas.microsoft.com/exchange/autodiscover"


@dataclass(frozen=True)
class Server:
    """A server for reading (``imap``) or sending (``smtp``) mail."""

    protocol: Literal["imap", "smtp"]
    host: str
    port: int
    security: Literal["tls", "starttls"]
    username: str


def servers(address: str, hostname: str, port_offset: int = 0) -> list[Server]:
    """The servers for a mailbox, the best choice of each protocol first.

    Args:
        hostname: the stack's.
        port_offset: QUAZZAR_STACK_PORT_OFFSET.

    Raises:
        ValueError: ``address`` or ``hostname`` is not valid.
    """
    return _servers("@".join(addresses.split(address)), hostname, port_offset)


def _servers(username: str, hostname: str, port_offset: int) -> list[Server]:
    host = addresses.domain(hostname)
    return [
        Server("imap", host, 993 + port_offset, "tls", username),
        Server("imap", host, 143 + port_offset, "starttls", username),
        Server("smtp", host, 465 + port_offset, "tls", username),
        Server("smtp", host, 587 + port_offset, "starttls", username),
    ]


def thunderbird(address: str, hostname: str, port_offset: int = 0) -> bytes:
    """Mozilla's autoconfig file, config version 1.1, for one mailbox.

    Raises:
        ValueError: ``address`` or ``hostname`` is not valid.
    """
    name = addresses.split(address)[1]
    return _client_config(name, servers(address, hostname, port_offset))


def thunderbird_for_all(domain: str, hostname: str, port_offset: int = 0) -> bytes:
    """Mozilla's autoconfig file for every mailbox of a domain; it does not reveal which mailboxes exist.

    Raises:
        ValueError: ``domain`` or ``hostname`` is not valid.
    """
    name = addresses.domain(domain)
    # What the user typed may have the domain in its own script, which not every mail program sends as UTF-8.
    username = _ANY_ADDRESS if addresses.shown(name) == name else f"%EMAILLOCALPART%@{name}"
    return _client_config(name, _servers(username, hostname, port_offset))


def _client_config(name: str, choices: list[Server]) -> bytes:
    root = ET.Element("clientConfig", version="1.1")
    provider = ET.SubElement(root, "emailProvider", id=name)
    _text(provider, "domain", name)
    _text(provider, "displayName", addresses.shown(name))
    _text(provider, "displayShortName", addresses.shown(name))
    for server in choices:
        tag = "incomingServer" if server.protocol == "imap" else "outgoingServer"
        element = ET.SubElement(provider, tag, type=server.protocol)
        _text(element, "hostname", server.host)
        _text(element, "port", str(server.port))
        _text(element, "socketType", _SOCKET[server.security])
        _text(element, "authentication", "password-cleartext")  # inside TLS, so the mechanism is PLAIN
        _text(element, "username", server.username)
    return _xml(root)


def outlook(address: str, hostname: str, port_offset: int = 0) -> bytes:
    """The answer to Outlook's autodiscover request (POX, [MS-OXDSCLI] §2.2.4); the mailbox need not exist.

    Raises:
        ValueError: ``address`` or ``hostname`` is not valid.
    """
    root = ET.Element("Autodiscover", xmlns=f"{_AUTODISCOVER}/responseschema/2006")
    response = ET.SubElement(root, "Response", xmlns=f"{_AUTODISCOVER}/outlook/responseschema/2006a")
    account = ET.SubElement(response, "Account")
    _text(account, "AccountType", "email")
    _text(account, "Action", "settings")
    # Outlook accepts one server of each kind: the best.
    for server in servers(address, hostname, port_offset):
        if server.security == "tls":
            _outlook_server(account, server)
    return _xml(root)


def _outlook_server(account: ET.Element, server: Server) -> None:
    element = ET.SubElement(account, "Protocol")
    for tag, text in {
        "Type": server.protocol.upper(),
        "Server": server.host,
        "Port": str(server.port),
        "DomainRequired": "off",
        "LoginName": server.username,
        "SPA": "off",  # send the password itself, inside TLS
        "SSL": "on",
        "Encryption": "SSL",
        "AuthRequired": "on",
    }.items():
        _text(element, tag, text)


def _xml(root: ET.Element) -> bytes:
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def apple_profile(address: str, display_name: str, hostname: str, port_offset: int = 0) -> bytes:
    """A .mobileconfig for iOS and macOS; it asks for the password when it is installed.

    Raises:
        ValueError: ``address`` or ``hostname`` is not valid.
    """
    choices = servers(address, hostname, port_offset)
    incoming = next(server for server in choices if server.protocol == "imap")
    outgoing = next(server for server in choices if server.protocol == "smtp")
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
    # Identifiers depend on the address alone, so that a profile that is installed again replaces the first.
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
