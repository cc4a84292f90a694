"""Hashes of other systems never become passwords; ordinary passwords do; and some hashes are accepted as hashes."""

from __future__ import annotations

import pytest

from mailboxes.provisioning import foreignhashes, passwords
from tests.mailboxes.trials import case

_64, _86 = "aB3./" * 13, "xY9./" * 18
B53, B43, B22 = _64[:53], _64[:43], _64[:22]
BCRYPT = f"$2y$10${B53}"
SHA512 = f"$6$rounds=5000$saltsalt${_86[:86]}"
SHA256 = f"$5$saltsalt${B43}"
ARGON = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21l$4wGtv1lXc6bXMrA5Qq3rGQm5FSq2Ox0hY8tQ7J4mXyE"
BASE64 = "bm90IGEgcmVhbCBoYXNoLCBidXQgbG9uZw=="
HEX40 = "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"

#: What it comes from → one of its hashes.
HASHES = {
    "Mailu": f"$bcrypt-sha256$v=2,t=2b,r=12${B22}${_64[:31]}",
    "Mailu, older": f"$bcrypt-sha256$2b,12${B22}${_64[:31]}",
    "Mailu, still older": f"{{SHA512-CRYPT}}{SHA512}",
    "mailcow": f"{{BLF-CRYPT}}{BCRYPT}",
    "mailcow, older": f"{{SSHA256}}{BASE64}",
    "mail-in-a-box": f"{{SHA512-CRYPT}}{SHA512}",
    "docker-mailserver": f"{{SHA512-CRYPT}}$6$salt${_86[:86]}",
    "iRedMail": f"{{SSHA512}}{BASE64 * 2}",
    "Modoboa": f"{{ARGON2ID}}{ARGON}",
    "Modoboa, lower case": f"{{sha512-crypt}}{SHA512}",
    "postfixadmin": f"$1$saltsalt${B22}",
    "Dovecot, encoded": f"{{SHA512.b64}}{BASE64}",
    "Dovecot, hex": "{SHA1.HEX}" + HEX40,
    "Dovecot, no hash": "{PLAIN}secret",
    "Dovecot, PBKDF2": "{PBKDF2}$1$saltsalt$5000$" + HEX40,
    "Dovecot, SCRAM": f"{{SCRAM-SHA-256}}4096,{BASE64},{BASE64},{BASE64}",
    "Dovecot, CRAM": "{CRAM-MD5}" + "ab" * 32,
    "Dovecot, DES": "{CRYPT}ab1cd2ef3gh45",
    "Dovecot, plain MD5": "{PLAIN-MD5}5f4dcc3b5aa765d61d8327deb882cf99",
    "OpenLDAP": f"{{SSHA}}{BASE64}",
    "OpenLDAP, lower case": f"{{crypt}}{SHA512}",
    "389 Directory Server": f"{{PBKDF2_SHA256}}{BASE64}",
    "389 Directory Server, new": f"{{PBKDF2-SHA512}}10000${BASE64}",
    "Atlassian": f"{{PKCS5S2}}{BASE64}",
    "Spring": f"{{bcrypt}}{BCRYPT}",
    "shadow, yescrypt": f"$y$j9T$saltsalt${B43}",
    "shadow, gost-yescrypt": f"$gy$j9T$saltsalt${B43}",
    "shadow, SHA-512": SHA512,
    "shadow, SHA-256": SHA256,
    "shadow, scrypt": f"$7$C6..../....saltsalt${B43}",
    "OpenBSD": f"$2b$08${B53}",
    "PHP": BCRYPT,
    "PHP, Argon2i": ARGON.replace("argon2id", "argon2i"),
    "Solaris": f"$md5,rounds=5000$saltsalt$${B22}",
    "NetBSD": f"$sha1$24680$saltsalt${_64[:28]}",
    "BSDi": "_J9..CCCCXBYgqmZDpTM",
    "NT in crypt(3)": "$3$$8846f7eaee8fb117ad06bdd830b7586c",
    "Apache": f"$apr1$saltsalt${B22}",
    "WordPress": f"$P$B{_64[:30]}",
    "phpBB": f"$H$9{_64[:30]}",
    "Drupal": f"$S$D{_64[:51]}",
    "passlib": f"$pbkdf2-sha256$29000$saltsalt${B43}",
    "passlib, scrypt": f"$scrypt$ln=16,r=8,p=1$saltsalt${B43}",
    "passlib, SCRAM": f"$scram$6400$saltsalt$sha-1={B22},sha-256={B43}",
    "Django": f"pbkdf2_sha256$870000$saltsaltsalt${BASE64}",
    "Django, Argon2": f"argon2{ARGON}",
    "Django, old": f"sha1$salt${HEX40}",
    "Werkzeug": f"scrypt:32768:8:1$saltsalt${HEX40 * 3}",
    "Werkzeug, older": f"pbkdf2:sha256:600000$saltsalt${HEX40}",
    "MySQL": "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19",
    "PostgreSQL": "md5" + "ab" * 16,
    "PostgreSQL, SCRAM": f"SCRAM-SHA-256$4096:{BASE64}${BASE64}:{BASE64}",
    "Plesk": f"$AES-128-CBC${BASE64}${BASE64}",
}
ORDINARY = [
    *("{hello}world-42", "{curly}{braces}", "a{b}c$d$e-fgh", "$ecret$auce-99", "$1$million$baby", "$dollar$bill$yall"),
    *("pa$$w0rd-for-mail", "{}{}{}abcdef", "{x}$6$short", "$$$moneymoney", "${HOME}/secret-dir", "sha1$is$weak-ok"),
    *("{MD5} is not a hash", "plum-Tundra-77-kettle", "correct horse battery", "_under_score", "*star*fish*99"),
    *("5f4dcc3b5aa765d61d8327deb882cf99", "ab1cd2ef3gh45", "md5-is-broken-since-2004", "100$ for {you} & me"),
]  # fmt: skip


def test_no_hash_of_another_system_becomes_a_password() -> None:
    for system, text in HASHES.items():
        with case(system):
            (sentence,) = passwords.problems(text, "ada@example.com")
            assert "password hash" in sentence and text not in sentence


def test_braces_and_dollars_make_no_hash() -> None:
    for text in ORDINARY:
        with case(text):
            assert passwords.problems(text, "ada@example.com") == []


# --- taken as hashes ---------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        (ARGON, "ARGON2ID"),
        (ARGON.replace("argon2id", "argon2i"), "ARGON2I"),
        *((f"$2{letter}$12${B53}", "BLF-CRYPT") for letter in "aby"),
        (SHA512, "SHA512-CRYPT"),
        (f"$6$s${_86[:86]}", "SHA512-CRYPT"),
        (SHA256, "SHA256-CRYPT"),
    ],
)
def test_strong_hashes_are_taken_with_and_without_their_scheme(text: str, scheme: str) -> None:
    for written in (
        text,
        f"{{{scheme}}}{text}",
        f"{{{scheme.lower()}}}{text}",
        f"{{CRYPT}}{text}",
        f" {text} ",
    ):
        with case(written):
            assert foreignhashes.stored(written) == f"{{{scheme}}}{text}"
    assert passwords.is_hash(f"{{{scheme}}}{text}")
    assert not passwords.verify(f"{{{scheme}}}{text}", "whatever it is")


def test_other_hashes_are_refused_and_not_repeated() -> None:
    for text in (
        *(
            f"$1$saltsalt${B22}",
            f"{{SSHA}}{BASE64}",
            "{PLAIN}secret",
            "secret",
            f"$2x$10${B53}",
            f"$y$j9T$salt${B43}",
        ),
        *(
            f"{{SHA512-CRYPT}}{BCRYPT}",
            f"{{BLF-CRYPT}}{SHA512}",
            f"{{X}}{SHA512}",
            f"$6$salt${_86[:85]}",
            ARGON + ":0",
        ),
        *(
            f"{SHA512}\nx:y",
            f"$2y$10${B53[:-1]}:",
            f"$6$sa:lt${_86[:86]}",
            "{SHA512-CRYPT}",
            "{}",
            "}",
            "{CRYPT}*",
        ),
    ):
        with case(text), pytest.raises(ValueError) as caught:
            foreignhashes.stored(text)
        assert text not in str(caught.value) and "BLF-CRYPT" in str(caught.value)


def test_a_hash_that_would_keep_dovecot_busy_is_refused() -> None:
    for text in (
        ARGON.replace("m=65536", "m=4194304"),
        ARGON.replace("t=3", "t=99"),
        ARGON.replace("p=4", "p=64"),
        f"$2y$20${B53}",
        SHA512.replace("5000", "999999999"),
    ):
        with case(text), pytest.raises(ValueError, match="takes too long"):
            foreignhashes.stored(text)
