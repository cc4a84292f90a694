"""What mail programs read to set themselves up: Thunderbird's autoconfig and Apple's profile. Pure; no password."""

from __future__ import annotations

import plistlib
import uuid
import xml.etree.ElementTree as ET
from typing import Any

#: Stable, so that installing a profile again replaces it.
_NAMESPACE = uuid.UUID("6f1d2c1e-5b7a-5a39-9a3e-3a1f0c7f2b11")
#: The best first: implicit TLS (RFC 8314 §3).
_INCOMING = ((993, "SSL"), (143, "STARTTLS"))
_OUTGOING = ((465, "SSL"), (587, "STARTTLS"))


def thunderbird(address: str, hostname: str, offset: int = 0) -> str:
    """Mozilla's autoconfig file, config version 1.1; the user name is the whole address.

    Args:
        offset: added to every port.
    """
    domain = address.rpartition("@")[2]
    root = ET.Element("clientConfig", version="1.1")
    provider = ET.SubElement(root, "emailProvider", id=domain)
    for tag, text in (("domain", domain), ("displayName", domain), ("displayShortName", domain)):
        ET.SubElement(provider, tag).text = text
    for tag, kind, ways in (("incomingServer", "imap", _INCOMING), ("outgoingServer", "smtp", _OUTGOING)):
        for port, security in ways:
            _server(ET.SubElement(provider, tag, type=kind), hostname, port + offset, security, address)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _server(server: ET.Element, hostname: str, port: int, security: str, address: str) -> None:
    fields = (
        ("hostname", hostname),
        ("port", str(port)),
        ("socketType", security),
        ("authentication", "password-cleartext"),  # inside TLS: the mechanism is PLAIN
        ("username", address),
    )
    for name, text in fields:
        ET.SubElement(server, name).text = text


def apple_profile(address: str, display_name: str, hostname: str, offset: int = 0) -> bytes:
    """A configuration profile (.mobileconfig) with one mail account; the device asks for the password."""
    account: dict[str, Any] = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"quazzar.mail.{address}.account",
        "PayloadUUID": _identity("account", address, hostname),
        "PayloadDisplayName": address,
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAccountName": display_name or address,
        "EmailAccountDescription": address,
        "EmailAddress": address,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": hostname,
        "IncomingMailServerPortNumber": _INCOMING[0][0] + offset,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": address,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": hostname,
        "OutgoingMailServerPortNumber": _OUTGOING[0][0] + offset,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
    }
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": f"quazzar.mail.{address}",
            "PayloadUUID": _identity("profile", address, hostname),
            "PayloadDisplayName": f"Mail for {address}",
            "PayloadDescription": f"Sets up {address} on {hostname}.",
            "PayloadContent": [account],
        }
    )


def _identity(*parts: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts))).upper()
