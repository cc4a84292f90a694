"""Where this process can reach the stack's IMAP, and which certificates it may have."""

from __future__ import annotations

import hashlib
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from mailboxes.models import Stack

#: IMAP with implicit TLS, before QUAZZAR_STACK_PORT_OFFSET is added.
_IMAPS = 993
_LOOPBACK = "127.0.0.1"
#: Values of QUAZZAR_STACK_BIND for all addresses of the machine.
_EVERY = ("", "0.0.0.0")  # noqa: S104  # nothing listens here
#: Docker and Podman create one of them in each container.
_IN_A_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
_ROUTES = Path("/proc/net/route")
_PEM_END = "-----END CERTIFICATE-----"


def port() -> int:
    """The port on which the stack publishes IMAP over TLS."""
    return _IMAPS + int(settings.QUAZZAR_STACK_PORT_OFFSET)


def hosts() -> list[str]:
    """Names and addresses at which the stack may answer, the likeliest first.

    Which one does depends on where Docker and this process run. The certificate says whether it is the stack, so that
    trying another machine does no harm.
    """
    engine = urlsplit(os.environ.get("DOCKER_HOST", ""))
    elsewhere = (engine.hostname or "") if engine.scheme in ("tcp", "ssh") else ""
    bound = "" if settings.QUAZZAR_STACK_BIND in _EVERY else settings.QUAZZAR_STACK_BIND
    found = (bound, elsewhere, _LOOPBACK, _gateway(), Stack.load().hostname)
    return list(dict.fromkeys(filter(None, found)))


def _gateway() -> str:
    """The machine whose container this is, as the container reaches it; empty outside of containers."""
    if not any(path.exists() for path in _IN_A_CONTAINER):
        return ""
    try:
        routes = [line.split() for line in _ROUTES.read_text().splitlines()[1:]]
    except OSError:
        return ""
    # Interface, destination and gateway: hexadecimal numbers in the machine's byte order (proc_net(5)), so reversed.
    gateways = [route[2] for route in routes if len(route) > 2 and route[1] == "00000000"]
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(gateways[0]))) if gateways else ""


def fingerprint(certificate_pem: str) -> str:
    """SHA-256 of the first certificate in the text, in hexadecimal; empty if there is none."""
    first, end, _ = certificate_pem.partition(_PEM_END)
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(f"{first.strip()}\n{end}")).hexdigest() if end else ""
    except ValueError:
        return ""
