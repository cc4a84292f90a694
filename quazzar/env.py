"""Typed readers for environment variables. They refuse a value that they cannot read, and name the variable."""

import ipaddress
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
#: RFC 1123 section 2.1, with the underscore that some networks use.
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?", re.I
)
#: What the Engine accepts as the name of a container, a network or a volume (moby, daemon/names/names.go). The suffix
#: that we add brings the second character that it asks for; the limit keeps volumes within the length of a file name.
_DOCKER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}")
#: An image reference, as in github.com/distribution/reference, regexp.go: registry and port, path, tag, digest.
_PATH = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_IMAGE = re.compile(
    rf"(?=.{{1,400}}\Z)(?:(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?/)?{_PATH}(?:/{_PATH})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[a-f0-9]{64}|@sha512:[a-f0-9]{128})?"
)
#: As the API's throttle reads it: its first letter names the period.
_RATE = re.compile(r"[1-9][0-9]{0,8}/(s|sec|second|m|min|minute|h|hour|d|day)s?", re.I)

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def env_str(name: str, default: str = "") -> str:
    """The variable without surrounding space; the default if it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, default: bool = False) -> bool:
    """True or false, from 1/0, true/false, yes/no or on/off.

    Raises:
        ImproperlyConfigured: it is something else.
    """
    raw = os.environ.get(name)
    if raw is None:
        return default
    value = raw.strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be one of true, false, 1, 0, yes, no; it is {raw!r}.")


def env_int(name: str, default: int, minimum: int = 0, maximum: int | None = None) -> int:
    """A whole number.

    Raises:
        ImproperlyConfigured: it is not a whole number, or it is out of range.
    """
    raw = env_str(name)
    if not raw:
        return default
    if not _NUMBER.fullmatch(raw):
        raise ImproperlyConfigured(f"{name} must be a whole number; it is {raw!r}.")
    value = int(raw)
    if value < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}; it is {value}.")
    if maximum is not None and value > maximum:
        raise ImproperlyConfigured(f"{name} must be at most {maximum}; it is {value}.")
    return value


def env_choice(name: str, choices: Sequence[str]) -> str:
    """One of these words, in lower case; "" if the variable is unset or empty.

    Raises:
        ImproperlyConfigured: it is none of them.
    """
    value = env_str(name).lower()
    if value and value not in choices:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(choices)}; it is {value!r}.")
    return value


def env_zone(name: str) -> str:
    """The name of a time zone, such as Europe/Berlin; "" if the variable is unset or empty.

    Raises:
        ImproperlyConfigured: this machine knows no such zone.
    """
    value = env_str(name)
    try:
        return ZoneInfo(value).key if value else ""
    except (ZoneInfoNotFoundError, ValueError, OSError, RecursionError) as exc:
        raise ImproperlyConfigured(
            f"{name} must be the name of a time zone, such as Europe/Berlin; it is {value!r}."
        ) from exc


def env_rate(name: str, default: str) -> str:
    """How often something may happen: ``6000/min``.

    Raises:
        ImproperlyConfigured: it is something else.
    """
    return _matching(
        name, default, _RATE, "a number of at least 1, a slash, and sec, min, hour or day, such as 6000/min"
    )


def env_docker_name(name: str, default: str) -> str:
    """What the names of containers, networks and volumes begin with.

    Raises:
        ImproperlyConfigured: the Engine would refuse such a name.
    """
    return _matching(
        name,
        default,
        _DOCKER_NAME,
        "at most 100 letters, digits, dots, hyphens and underscores, starting with a letter or a digit",
    )


def env_image(name: str, default: str) -> str:
    """The reference of an image: ``[registry/]name[:tag][@digest]``.

    Raises:
        ImproperlyConfigured: it is not one.
    """
    return _matching(
        name,
        default,
        _IMAGE,
        "an image reference in lower case, such as boky/postfix:v5.1.0 or registry.example.org:5000/postfix:v5.1.0",
    )


def _matching(name: str, default: str, pattern: re.Pattern[str], allowed: str) -> str:
    value = env_str(name, default)
    if not pattern.fullmatch(value):
        raise ImproperlyConfigured(f"{name} must be {allowed}; it is {value!r}.")
    return value


def env_path(name: str, default: Path) -> Path:
    """A path, with ~ expanded, made absolute.

    Raises:
        ImproperlyConfigured: it begins with ~ and the name of a user who does not exist.
    """
    return env_optional_path(name) or default.absolute()


def env_optional_path(name: str) -> Path | None:
    """As ``env_path``; None if the variable is unset or empty."""
    raw = env_str(name)
    try:
        return Path(raw).expanduser().absolute() if raw else None
    except RuntimeError as exc:
        raise ImproperlyConfigured(
            f"{name} must be a path; the home directory of {raw!r} is unknown."
        ) from exc


def env_list(name: str, default: str = "") -> list[str]:
    """A list separated by commas; empty items are dropped."""
    return [item.strip() for item in env_str(name, default).split(",") if item.strip()]


def env_some(name: str, choices: Sequence[str]) -> list[str]:
    """Some of these words, separated by commas; all of them if the variable is unset or empty, none if it is "off".

    Raises:
        ImproperlyConfigured: one is none of them.
    """
    chosen = [word.lower() for word in env_list(name)] or [*choices]
    for word in [] if chosen == ["off"] else chosen:
        if word not in choices:
            raise ImproperlyConfigured(
                f"{name} must be off, or some of {', '.join(choices)}; {word!r} is none."
            )
    return [] if chosen == ["off"] else chosen


def env_paths(name: str, default: str = "") -> list[Path]:
    """Absolute directories separated by commas.

    Raises:
        ImproperlyConfigured: one of them is not absolute.
    """
    paths = [Path(item) for item in env_list(name, default)]
    for path in paths:
        if not path.is_absolute():
            raise ImproperlyConfigured(
                f"{name} must be absolute paths, separated by commas; {str(path)!r} is not."
            )
    return paths


def env_bind(name: str) -> str:
    """The IPv4 address of this machine to listen on; ``0.0.0.0``, all of them, if it is unset or empty.

    The Docker Engine takes anything else for "everywhere", and carries clients of IPv6 through a proxy that hides their
    addresses: they would escape SPF and DMARC.

    Raises:
        ImproperlyConfigured: it is not an IPv4 address, or one that no machine can have.
    """
    raw = env_str(name, "0.0.0.0")  # noqa: S104
    try:
        address = ipaddress.ip_address(raw)
    except ValueError as exc:
        raise ImproperlyConfigured(
            f"{name} must be one IPv4 address of this machine, such as 127.0.0.1, or empty for all; it is {raw!r}."
        ) from exc
    if address.version == 6:
        raise ImproperlyConfigured(
            f"{name} must be an IPv4 address: the stack does not listen on IPv6, because Docker would hide who "
            f"connects; it is {raw!r}."
        )
    if address.is_multicast or address.is_reserved:
        raise ImproperlyConfigured(f"{name} must be an address that a machine can have; {raw!r} is not.")
    return str(address)


def env_host_port(name: str, default: str, *, off: str) -> tuple[str, int] | None:
    """Host and port: ``mx.example.org:25``, ``192.0.2.1:25`` or ``[2001:db8::1]:25``; None for the word ``off``.

    Raises:
        ImproperlyConfigured: it is something else.
    """
    raw = env_str(name, default)
    if raw.lower() == off:
        return None
    host, _, port = raw.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        valid = _is_address(host) and ":" in host
    else:
        valid = bool(_HOST.fullmatch(host)) and (_is_address(host) or not _looks_numeric(host))
    if not (valid and _is_port(port)):
        raise ImproperlyConfigured(
            f"{name} must be host:port, such as mx.example.org:25, or {off}; it is {raw!r}."
        )
    return host, int(port)


def env_addresses(name: str, *, ports: bool = False) -> list[str]:
    """IP addresses separated by commas; with `ports` they may have one: ``192.0.2.1:53``, ``[2001:db8::1]:53``.

    Raises:
        ImproperlyConfigured: one of them is not an address, or its port is wrong.
    """
    addresses = env_list(name)
    for address in addresses:
        host, port = _split_port(address) if ports else (address, None)
        if not _is_address(host):
            raise ImproperlyConfigured(
                f"{name} must be IP addresses, separated by commas; {address!r} is not one."
            )
        if port is not None and not _is_port(port):
            raise ImproperlyConfigured(f"{name}: the port of {address!r} must be a number from 1 to 65535.")
    return addresses


def env_networks(name: str, default: str = "") -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Networks or single addresses, separated by commas: ``172.16.0.0/12``, ``::1``.

    Raises:
        ImproperlyConfigured: one of them is neither.
    """
    try:
        return [ipaddress.ip_network(item, strict=False) for item in env_list(name, default)]
    except ValueError as exc:
        raise ImproperlyConfigured(
            f"{name} must be IP addresses or networks, separated by commas: {exc}."
        ) from exc


def env_public_addresses(name: str) -> list[str]:
    """Addresses that other machines reach this one by, separated by commas.

    Raises:
        ImproperlyConfigured: one of them is not an address, or one that means something else on each machine.
    """
    addresses = env_addresses(name)
    for text in addresses:
        address = ipaddress.ip_address(text)
        if address.is_unspecified or address.is_loopback or address.is_link_local or address.is_multicast:
            raise ImproperlyConfigured(
                f"{name} must be addresses at which other machines reach this one; {text!r} is not."
            )
    return addresses


def _split_port(text: str) -> tuple[str, str | None]:
    """Address and port, None if there is none; an IPv6 address with a port has brackets."""
    bracketed = re.fullmatch(r"\[([^\[\]]*:[^\[\]]*)\](?::(.*))?", text)
    if bracketed:
        return bracketed[1], bracketed[2]
    host, colon, port = text.partition(":")
    return (text, None) if ":" in port or not colon else (host, port)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _looks_numeric(host: str) -> bool:
    """Whether resolvers would take the name for an IPv4 address in another notation, such as 127.1 or 0x7f000001."""
    last = host.rstrip(".").rpartition(".")[2].lower()
    return last.isdecimal() or last.startswith("0x")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536


def env_url(name: str, schemes: Sequence[str]) -> str:
    """A URL, which may hold a password, from NAME or NAME_FILE; "" if neither is set.

    Raises:
        ImproperlyConfigured: it does not begin with one of the schemes, or its port is wrong; the sentence does not
            repeat it.
    """
    raw = env_secret(name)
    allowed = ", ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(raw)
        valid = parts.scheme in schemes and "://" in raw and (parts.hostname is None or parts.port != 0)
    except ValueError:
        valid = False
    if raw and not valid:
        raise ImproperlyConfigured(f"{name} must be a URL that begins with one of {allowed}.")
    return raw


def env_origin(name: str) -> str:
    """The address of a web site without a path, such as https://mail.example.com; "" if the variable is not set.

    Raises:
        ImproperlyConfigured: it is something else.
    """
    raw = env_str(name).rstrip("/")
    try:
        parts = urlsplit(raw)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    plain = f"{parts.scheme}://{parts.netloc}" == raw and "@" not in parts.netloc
    if raw and not (parts.scheme in ("http", "https") and plain and port != 0 and _is_host(host)):
        raise ImproperlyConfigured(
            f"{name} must be an address such as https://mail.example.com, without a path; it is {raw!r}."
        )
    return raw


def _is_host(text: str) -> bool:
    try:
        return bool(_HOST.fullmatch(text)) or bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def env_secret(name: str) -> str:
    """A secret from the variable NAME, or from the file whose path is in NAME_FILE.

    Raises:
        ImproperlyConfigured: the file cannot be read, or is empty.
    """
    path = env_str(f"{name}_FILE")
    if not path:
        return env_str(name)
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise ImproperlyConfigured(
            f"{name}_FILE points at {path}, which cannot be read: {exc.strerror}."
        ) from exc
    except ValueError:
        raise ImproperlyConfigured(f"{name}_FILE points at {path}, which is not text.") from None
    if not text:
        raise ImproperlyConfigured(f"{name}_FILE points at {path}, which is empty.")
    return text
