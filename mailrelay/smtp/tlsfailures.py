"""Why a TLS handshake failed, in one word and one sentence. Pure."""

from __future__ import annotations

import ssl

# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_EXPIRED = 10
_NOT_YET_VALID = 9
_SELF_SIGNED = {18}
_UNKNOWN_CA = {2, 19, 20, 21}
_HOSTNAME = {62, 64}


def classify(exc: ssl.SSLError | ssl.CertificateError, host: str) -> tuple[str, str]:
    """Kind (see ``diagnosis.py``) and sentence."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _certificate(exc, host)
    reason = (getattr(exc, "reason", "") or "").upper()
    if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER_FAILURE" in reason or "UNKNOWN_PROTOCOL" in reason:
        return "tls_wrong_version", f"{host} does not speak TLS from the first byte on this port."
    detail = reason.replace("_", " ").lower() or str(exc)
    return "tls_failed", f"The TLS handshake with {host} failed: {detail}."


def _certificate(exc: ssl.SSLCertVerificationError, host: str) -> tuple[str, str]:
    number = getattr(exc, "verify_code", 0)
    if number == _EXPIRED:
        return "cert_expired", f"The certificate of {host} has expired."
    if number == _NOT_YET_VALID:
        return "cert_expired", f"The certificate of {host} is not valid yet; check the clocks."
    if number in _SELF_SIGNED:
        return "cert_self_signed", f"The certificate of {host} is self-signed, so nobody vouches for it."
    if number in _UNKNOWN_CA:
        return (
            "cert_unknown_ca",
            f"The certificate of {host} is from an authority that this node does not trust.",
        )
    if number in _HOSTNAME or "mismatch" in str(exc).lower():
        return "cert_hostname", f"The certificate belongs to another name than {host}."
    return "tls_failed", f"The certificate of {host} was not accepted: {getattr(exc, 'verify_message', exc)}."
