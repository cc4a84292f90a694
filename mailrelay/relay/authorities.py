"""The certificate authorities that this node trusts, as OpenSSL finds them: SSL_CERT_FILE and SSL_CERT_DIR count.

Whatever else sends through the relay is given the same ones, and certificates only: a private key in these files stays.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import ssl
import stat
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from quazzar import words

#: Bytes that the authorities may take; Debian's have a twentieth of that.
LIMIT = 4 * 1024 * 1024
#: The most files of a directory that are read.
_MOST_FILES = 5000
#: The names under which OpenSSL looks for an authority in a directory: openssl-rehash(1).
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]{1,3}")
_BLOCK = re.compile(
    rb"-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----([A-Za-z0-9+/=\s]{1,100000})-----END \1-----"
)
_BEGIN = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----")
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----")


@dataclass(frozen=True)
class Authorities:
    """What was found.

    Attributes:
        pem: the certificates and nothing else; empty if there are none.
        count: how many.
        problem: what is wrong with a variable's file or directory, in a sentence; empty if nothing is.
        advice: what to do about it.
        lost: whether nothing at all could be taken from what the variable names.
    """

    pem: str = field(default="", repr=False)
    count: int = 0
    problem: str = ""
    advice: str = ""
    lost: bool = False


def read() -> Authorities:
    """The authorities that count now. The files are read again only when one of them has changed."""
    paths = ssl.get_default_verify_paths()
    file = os.environ.get(paths.openssl_cafile_env) or ""
    directories = os.environ.get(paths.openssl_capath_env) or ""
    sources = (
        _Source(paths.openssl_cafile_env if file else "", (file or paths.openssl_cafile,)),
        _Source(
            paths.openssl_capath_env if directories else "",
            tuple(filter(None, (directories or paths.openssl_capath).split(os.pathsep))),
            are_directories=True,
        ),
    )
    return _read(sources, tuple(_signature(source) for source in sources))


@dataclass(frozen=True)
class _Source:
    """Paths to authorities.

    Attributes:
        variable: that names them; empty for the system's own, which need not exist.
    """

    variable: str
    paths: tuple[str, ...]
    are_directories: bool = False


class _UnusableError(Exception):
    """Nothing can be taken from a file or directory: with the sentence and what to do."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.problem, self.advice = problem, advice


def _signature(source: _Source) -> tuple[tuple[object, ...], ...]:
    """What changes when one of the files does."""
    files = [name for path in source.paths for name in (path, *_hashed(path, source))]
    return tuple((name, *_state(name)) for name in files)


def _state(name: str) -> tuple[int, ...]:
    try:
        status = os.stat(name)  # noqa: PTH116  (a Path for each of some hundred would be slow)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode


def _hashed(directory: str, source: _Source) -> list[str]:
    if not source.are_directories:
        return []
    try:
        names = sorted(filter(_HASHED.fullmatch, os.listdir(directory)))  # noqa: PTH208
    except OSError:
        return []
    return [os.path.join(directory, name) for name in names[:_MOST_FILES]]  # noqa: PTH118


@lru_cache(maxsize=1)
def _read(sources: tuple[_Source, ...], _state: object) -> Authorities:
    found: dict[bytes, None] = {}
    problem, advice, lost = "", "", False
    for source in sources:
        try:
            remark, unusable = _take(source, found), False
        except _UnusableError as exc:
            remark, unusable = (exc.problem, exc.advice), True
        if source.variable and remark[0] and (unusable or not problem):
            (problem, advice), lost = remark, unusable
    pem = "".join(ssl.DER_cert_to_PEM_cert(der) for der in sorted(found))
    return Authorities(pem, len(found), problem, advice, lost)


def _take(source: _Source, found: dict[bytes, None]) -> tuple[str, str]:
    """Add a source's certificates; returns what to say about the rest of it.

    Raises:
        _UnusableError: there are none.
    """
    remark = ("", "")
    for path in source.paths:
        name = f"{source.variable} names {path}"
        files = _hashed(path, source) if source.are_directories else [path]
        if source.are_directories and not files:
            raise _no_directory(name, path)
        for file in files:
            data = _content(file, name)
            ders, broken = _certificates(data)
            room = LIMIT - sum(map(len, found))
            if sum(map(len, ders)) > room:
                raise _too_large(name)
            found.update(dict.fromkeys(ders))
            if not ders and not source.are_directories:
                raise _no_certificate(name, data)
            if broken:
                remark = (
                    f"{name}. {words.count(broken, 'certificate')} in it cannot be read and "
                    f"{'is' if broken == 1 else 'are'} left out.",
                    "Create the file again from the authorities' own files.",
                )
            if _PRIVATE_KEY.search(data):
                remark = (
                    f"{name}, which contains a private key. The key is not passed on to anyone, but it "
                    "does not belong there.",
                    "Remove it: this file should only contain certificates of authorities. If others "
                    "could read the file, create a new key.",
                )
    return remark


def _content(path: str, name: str) -> bytes:
    """The bytes of a file that is named by the operator.

    Raises:
        _UnusableError: it cannot be read.
    """
    advice = "Correct the variable, or unset it, and restart."
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
            raise _UnusableError(f"{name}, which is not a file.", advice)
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            data = file.read(LIMIT + 1)
    except FileNotFoundError as exc:
        raise _UnusableError(f"{name}, which does not exist.", advice) from exc
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not a path"
        raise _UnusableError(f"{name}, which cannot be read: {reason}.", advice) from exc
    if len(data) > LIMIT:
        raise _too_large(name)
    return data


def _certificates(data: bytes) -> tuple[list[bytes], int]:
    """The certificates in PEM, as DER, and how many more cannot be read."""
    judge = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    good = []
    for _, text in _BLOCK.findall(data):
        try:
            der = _first_value(base64.b64decode(b"".join(text.split()), validate=True))
            judge.load_verify_locations(cadata=der)
        except (binascii.Error, ssl.SSLError, ValueError):
            continue
        good.append(der)
    return good, len(_BEGIN.findall(data)) - len(good)


def _first_value(der: bytes) -> bytes:
    """The certificate alone: a TRUSTED CERTIFICATE has OpenSSL's own remarks behind it (openssl-x509(1)).

    Raises:
        ValueError: this is no DER.
    """
    if len(der) < 4 or der[0] != 0x30:
        raise ValueError("not a sequence")
    octets = der[1] & 0x7F if der[1] & 0x80 else 0
    length = int.from_bytes(der[2 : 2 + octets]) if octets else der[1]
    end = 2 + octets + length
    if octets > 4 or end > len(der):
        raise ValueError("cut off")
    return der[:end]


def _no_directory(name: str, path: str) -> _UnusableError:
    if not Path(path).is_dir():
        return _UnusableError(
            f"{name}, a directory that does not exist.", "Correct the variable, or unset it, and restart."
        )
    return _UnusableError(
        f"{name}, where OpenSSL finds nothing: the files are not named after their hashes.",
        f"Run: openssl rehash {path}",
    )


def _no_certificate(name: str, data: bytes) -> _UnusableError:
    if not data.strip():
        return _UnusableError(
            f"{name}, which is empty.", "Put the authority's certificate into it, or unset the variable."
        )
    if _PRIVATE_KEY.search(data):
        return _UnusableError(
            f"{name}, which contains a private key but no readable certificate.",
            "Set it to the file with the authority's certificate, which starts with -----BEGIN "
            "CERTIFICATE-----.",
        )
    if data[:1] == b"\x30":
        return _UnusableError(
            f"{name}, which is not PEM. It looks like DER.",
            "Convert it: openssl x509 -inform der -in FILE -out FILE.pem",
        )
    return _UnusableError(
        f"{name}, which contains no readable PEM certificate.",
        "Set it to a file in which each certificate starts with -----BEGIN CERTIFICATE-----.",
    )


def _too_large(name: str) -> _UnusableError:
    return _UnusableError(
        f"{name}, which is larger than {words.size(LIMIT)}.",
        "Set it to a file that contains only certificates of authorities.",
    )
