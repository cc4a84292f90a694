"""Recognises what operators provide instead of a certificate or key in PEM, and says how to convert it. Pure."""

from __future__ import annotations

import re

#: Control characters other than white space, and what a decoder puts in place of bytes that are not text.
_BINARY = re.compile("[\x00-\x08\x0e-\x1f\ufffd]")
#: DER in base64, which begins with a SEQUENCE (0x30, X.690 §8.9), without its lines BEGIN and END.
_BARE_BASE64 = re.compile(r"\s*M[A-Za-z0-9+/=\s]{50,}\Z")
_CERTIFICATES = {
    "BEGIN CERTIFICATE REQUEST": "This is a signing request. Use the certificate that the authority issued for it.",
    "BEGIN NEW CERTIFICATE REQUEST": "This is a signing request. Use the certificate that the authority issued for it.",
    "BEGIN PKCS7": "This is PKCS #7, not PEM. Convert it: openssl pkcs7 -print_certs -in FILE -out FILE.pem.",
    "BEGIN TRUSTED CERTIFICATE": "This is OpenSSL's own format. Convert it: openssl x509 -in FILE -out FILE.pem.",
    "BEGIN PUBLIC KEY": "This is a public key. The certificate is in another file.",
}
_KEYS = {
    "BEGIN OPENSSH PRIVATE KEY": "This is OpenSSH's own format. Convert it: ssh-keygen -p -m PEM -f FILE.",
    "BEGIN PUBLIC KEY": "This is the public key. Choose the private key.",
    "BEGIN CERTIFICATE REQUEST": "This is a signing request. Choose the private key it was created with.",
    "BEGIN EC PARAMETERS": "The key is missing: the text contains only the parameters of its curve.",
}


def instead_of_a_certificate(text: str) -> str:
    """A sentence that names the format and how to convert it; empty if the text is none that is known."""
    if _BINARY.search(text):
        return (
            "This is a binary file, not PEM. Convert it: openssl x509 -inform der -in FILE -out FILE.pem, or for a "
            ".p12 or .pfx file: openssl pkcs12 -in FILE -nokeys -out FILE.pem."
        )
    if _BARE_BASE64.match(text):
        return (
            "The lines -----BEGIN CERTIFICATE----- and -----END CERTIFICATE----- around this text are "
            "missing."
        )
    return next((sentence for mark, sentence in _CERTIFICATES.items() if mark in text), "")


def instead_of_a_key(text: str) -> str:
    """A sentence that names the format and how to convert it; empty if the text is none that is known."""
    if _BINARY.search(text):
        return (
            "This is a binary file, not PEM. Convert it: openssl pkey -inform der -in FILE -out FILE.pem, or for a "
            ".p12 or .pfx file: openssl pkcs12 -in FILE -nocerts -noenc -out FILE.pem."
        )
    if _BARE_BASE64.match(text):
        return (
            "The lines -----BEGIN PRIVATE KEY----- and -----END PRIVATE KEY----- around this text are "
            "missing."
        )
    return next((sentence for mark, sentence in _KEYS.items() if mark in text), "")
