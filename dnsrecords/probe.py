"""Signs a message and verifies it by what is published, as another mail server would. The only module with dkimpy."""

from __future__ import annotations

import dkim  # type: ignore[import-untyped]

_PROBE = b"From: postmaster@%s\r\nTo: postmaster@%s\r\nSubject: Probe\r\n\r\nIs this signature valid?\r\n"


def verifies(private_pem: str, domain: str, selector: str, published: str) -> bool:
    """Whether mail that this key signs verifies by this record.

    Args:
        published: the TXT record at the selector, as one string.
    """
    message = _PROBE % (domain.encode(), domain.encode())
    try:
        signature = dkim.sign(
            message, selector.encode(), domain.encode(), private_pem.encode(),
            include_headers=[b"from", b"to", b"subject"],
        )  # fmt: skip
        return bool(dkim.verify(signature + message, dnsfunc=lambda *_, **__: published.encode("latin-1")))
    except dkim.DKIMException:
        return False
