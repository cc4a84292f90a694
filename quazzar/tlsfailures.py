"""Why a TLS handshake failed, in words of our own. Pure.

What Python and OpenSSL say differs from one version to the next ("EOF occurred in violation of protocol
(_ssl.c:1006)", "TLS/SSL connection has been closed (EOF) (_ssl.c:992)"), so none of it is shown as it is.
"""

from __future__ import annotations

import re
import ssl
from typing import NamedTuple

_UNTRUSTED = ("cert_unknown_ca", "is from an authority that this node does not trust")
#: X509_V_ERR_* of OpenSSL's x509_vfy.h → kind, and what is wrong with the certificate.
_CERTIFICATE = {
    2: _UNTRUSTED,
    9: ("cert_expired", "is not valid yet; check the clocks"),
    10: ("cert_expired", "has expired"),
    18: ("cert_self_signed", "is self-signed, so it cannot be verified"),
    19: _UNTRUSTED,
    20: _UNTRUSTED,
    21: _UNTRUSTED,
    23: ("tls_failed", "was revoked"),
    26: ("tls_failed", "is not meant for servers"),
    62: ("cert_hostname", "belongs to another name"),
    64: ("cert_hostname", "belongs to another name"),
    66: ("tls_failed", "has a key that is too short"),
    67: ("tls_failed", "is from an authority whose key is too short"),
    68: ("tls_failed", "is signed with an algorithm that is too weak"),
}
#: OpenSSL's names for what happens when one side speaks plain text.
_NOT_TLS = ("wrong version number", "record layer failure", "unknown protocol", "http request")
#: "[SSL: NAME] text (_ssl.c:1006)", where Python has a name for the reason, or "[SSL] text (_ssl.c:1006)".
_TEXT = re.compile(r"^(?:\[[^]]*\] )?(.*?)(?: \(_ssl\.c:\d+\))?$", re.DOTALL)
#: How OpenSSL marks an alert, which is the other side's reason (RFC 8446 §6.2); 3.2 changed some of the marks.
_ALERT = re.compile(r"^(?:sslv3|tlsv1|tlsv13|ssl/tls)(?: alert)? (.+)$")


class TlsFailure(NamedTuple):
    """Why a handshake failed.

    Attributes:
        kind: one of ``tls_wrong_version``, ``tls_failed`` and the ``cert_…`` of ``mailrelay.diagnosis.explain``.
        reason: a clause without a full stop that names the other side.
    """

    kind: str
    reason: str

    @property
    def sentence(self) -> str:
        """The reason as a complete sentence."""
        return f"{'The ' if self.reason.startswith('the ') else ''}{self.reason.removeprefix('the ')}."


def explain(exc: ssl.SSLError, peer: str = "the server") -> TlsFailure:
    """What this failure means; ``peer`` is the name of the other side in the sentence."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        number = getattr(exc, "verify_code", 0)
        other = ("tls_failed", f"was not accepted (OpenSSL's verify error {number})")
        kind, predicate = _CERTIFICATE.get(number, other)
        return TlsFailure(kind, f"the certificate of {peer} {predicate}")
    if isinstance(exc, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return TlsFailure("tls_failed", f"{peer} closed the connection during the TLS handshake")
    name = _name(exc)
    if any(words in name for words in _NOT_TLS):
        return TlsFailure("tls_wrong_version", f"{peer} does not speak TLS on this port")
    if alert := _ALERT.match(name):
        return TlsFailure("tls_failed", f"{peer} ended the TLS handshake ({alert[1]})")
    detail = f" ({name})" if name else ""
    return TlsFailure("tls_failed", f"the TLS handshake with {peer} failed{detail}")


def _name(exc: ssl.SSLError) -> str:
    """OpenSSL's name of the reason: in lower case, with spaces."""
    text = getattr(exc, "reason", None) or _TEXT.sub(r"\1", str(exc.args[-1] if exc.args else ""))
    return text.replace("_", " ").lower().strip()
