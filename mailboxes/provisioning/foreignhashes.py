"""Password hashes of other systems: recognised wherever a password is entered; some are accepted as hashes. Pure.

Spellings: Dovecot's ``{SCHEME}`` (doc.dovecot.org, "Password Schemes") and LDAP's (RFC 2307), crypt(3)'s ``$id$``
(crypt(5) of libxcrypt), and the identifiers of passlib, Django and Werkzeug. The 13 characters of the oldest crypt(3)
cannot be told from a password.
"""

from __future__ import annotations

import re

_SCHEMES = (
    # What Dovecot knows (src/auth/password-scheme*.c), and relatives of it in LDAP servers, passlib and Spring.
    r"ARGON2(?:I|D|ID)?|B?CRYPT(?:16)?|[A-Z0-9]+-CRYPT|CRYPT-[A-Z0-9]+|PBKDF2[A-Z0-9_-]*|SCRYPT|SCRAM-SHA-?[0-9]+"
    r"|I?S?SHA[0-9]?(?:-?[0-9]{3})?(?:-[0-9]{3})?|S?MD[45](?:RAW)?|(?:PLAIN|HMAC|LDAP|DIGEST|CRAM)-?MD[45]|LANMAN|LM|NTLM|NT"
    r"|OTP|SKEY|RPA|GOST|PKCS5S2|FSHP[^}]*|X-NTHASH|TOTP1?|KERBEROS|SASL|AES"
)
_IN_BRACES = re.compile(rf"\{{(?:{_SCHEMES})(?:\.(?:B64|BASE64|HEX))?\}}\S{{8,}}", re.I)
#: What follows these is not a hash, but nobody has that prefix in a password.
_PLAIN_IN_BRACES = re.compile(
    r"\{(?:PLAIN|PLAIN-TRUNC|CLEAR|CLEARTEXT|NOOP)(?:\.(?:B64|BASE64|HEX))?\}.+", re.I | re.S
)
#: An identifier of one character may begin a password ($1$million$baby): there the hash itself has to follow.
_CRYPT = re.compile(
    r"\$(?:2[abxy]|gy|md5|sha1|sha256|sha512|scrypt|argon2(?:id?|d)?|bcrypt(?:[-_]sha256)?|pbkdf2(?:[-_][a-z0-9]+)?"
    r"|apr1|p5k2|scram|shiro1|ml|AES-128-CBC)[$,]\S{8,}"
    r"|\$[1-9yPHS][$,]\S*?[./0-9A-Za-z+=_,-]{16,}"
)
_DJANGO = re.compile(
    r"(?:pbkdf2_sha(?:1|256|512)|argon2|bcrypt(?:_sha256)?|scrypt|sha1|sha256|sha512|md5|crypt)\$\S*[./0-9A-Za-z+=]{20,}"
)
_WERKZEUG = re.compile(r"(?:pbkdf2|scrypt):\S+\$\S+\$[0-9a-f]{32,}")
_OTHERS = re.compile(
    # Of databases: MySQL, PostgreSQL (twice), Microsoft SQL Server, Oracle. And BSDi's crypt, GRUB's PBKDF2.
    r"\*[0-9A-F]{40}|md5[0-9a-f]{32}|SCRAM-SHA-256\$\S{40,}|0x0[12]00[0-9A-F]{40,}|S:[0-9A-F]{60}"
    r"|_[./0-9A-Za-z]{19}|grub\.pbkdf2\.\S{40,}",
    re.I,
)
_KINDS = (_IN_BRACES, _PLAIN_IN_BRACES, _CRYPT, _DJANGO, _WERKZEUG, _OTHERS)
#: MD5, SHA-1, SHA-256, SHA-384 and SHA-512 in hex, without a name. Generated passwords may look the same.
_BARE_DIGEST = re.compile(r"(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})", re.I)

_B64 = "[./A-Za-z0-9]"
#: Scheme → the hashes that may stand in the users file. No other character could break its lines.
_STORED = {
    "ARGON2ID": re.compile(
        r"\$argon2id\$v=19\$m=(?P<memory>[0-9]{1,8}),t=(?P<rounds>[0-9]{1,3}),p=(?P<lanes>[0-9]{1,3})"
        r"\$[A-Za-z0-9+/]{11,128}\$[A-Za-z0-9+/]{16,128}"
    ),
    "ARGON2I": re.compile(
        r"\$argon2i\$v=19\$m=(?P<memory>[0-9]{1,8}),t=(?P<rounds>[0-9]{1,3}),p=(?P<lanes>[0-9]{1,3})"
        r"\$[A-Za-z0-9+/]{11,128}\$[A-Za-z0-9+/]{16,128}"
    ),
    "BLF-CRYPT": re.compile(rf"\$2[aby]\$(?P<cost>[0-9]{{2}})\${_B64}{{53}}"),
    "SHA512-CRYPT": re.compile(rf"\$6\$(?:rounds=(?P<rounds>[0-9]{{4,9}})\$)?{_B64}{{1,16}}\${_B64}{{86}}"),
    "SHA256-CRYPT": re.compile(rf"\$5\$(?:rounds=(?P<rounds>[0-9]{{4,9}})\$)?{_B64}{{1,16}}\${_B64}{{43}}"),
}
TAKEN = ", ".join(_STORED)
#: The most memory that a hash may take to check, in KiB.
MOST_MEMORY_KIB = 262_144
#: The most that a login may cost, so that a few cannot keep Dovecot busy: a second or so on a small machine.
_MOST = {"memory": MOST_MEMORY_KIB, "lanes": 16, "cost": 14}
_MOST_ROUNDS = {"ARGON2ID": 10, "ARGON2I": 10, "SHA512-CRYPT": 1_000_000, "SHA256-CRYPT": 1_000_000}


def is_foreign(text: str) -> bool:
    """Whether the text is the hash of a password rather than the password itself."""
    return any(kind.fullmatch(text) for kind in _KINDS)


def is_bare_digest(text: str) -> bool:
    """Whether it may be a hash without a name, as files that other systems export contain them."""
    return _BARE_DIGEST.fullmatch(text) is not None


def is_stored(text: str) -> bool:
    """Whether the text may stand in the users file as a password hash: ``{SCHEME}hash``."""
    scheme, _, hashed = text.removeprefix("{").partition("}")
    return text.startswith("{") and scheme in _STORED and _STORED[scheme].fullmatch(hashed) is not None


def stored(text: str) -> str:
    """A hash of another system in the form of the users file: ``{SCHEME}hash``.

    Args:
        text: with Dovecot's ``{SCHEME}``, with ``{CRYPT}``, or without either.

    Raises:
        ValueError: with a sentence, which does not repeat the hash.
    """
    named, _, hashed = text.strip().removeprefix("{").rpartition("}")
    named = named.upper()
    for scheme, pattern in _STORED.items():
        match = pattern.fullmatch(hashed)
        if match and named in ("", "CRYPT", scheme):
            _refuse_costly(scheme, match)
            return f"{{{scheme}}}{hashed}"
    raise ValueError(
        f"This kind of password hash is not supported. Use Dovecot's {TAKEN}, with or without the name in "
        "braces, or set a new password."
    )


def _refuse_costly(scheme: str, match: re.Match[str]) -> None:
    most = {**_MOST, "rounds": _MOST_ROUNDS.get(scheme, 0)}
    for name, value in match.groupdict().items():
        if value is not None and int(value) > most[name]:
            raise ValueError(
                f"This password hash takes too long to check: {name} is {value}, but can be at most "
                f"{most[name]}."
            )
