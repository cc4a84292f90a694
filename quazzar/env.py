"""Typed readers for environment variables. They refuse a value that they cannot read, and name the variable."""

import ipaddress
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

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


def env_int(name: str, default: int, minimum: int = 0) -> int:
    """A whole number.

    Raises:
        ImproperlyConfigured: it is not a whole number, or it is below the minimum.
    """
    raw = env_str(name)
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError as exc:
        raise ImproperlyConfigured(f"{name} must be a whole number; it is {raw!r}.") from exc
    if value < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}; it is {value}.")
    return value


def env_path(name: str, default: Path) -> Path:
    """A path, with ~ expanded, made absolute."""
    raw = env_str(name)
    return (Path(raw).expanduser() if raw else default).absolute()


def env_list(name: str, default: str = "") -> list[str]:
    """A list separated by commas; empty items are dropped."""
    return [item.strip() for item in env_str(name, default).split(",") if item.strip()]


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


def env_addresses(name: str, *, ports: bool = False) -> list[str]:
    """IP addresses separated by commas; with `ports` they may have one: ``192.0.2.1:53``, ``[2001:db8::1]:53``.

    Raises:
        ImproperlyConfigured: one of them is not an address, or its port is wrong.
    """
    addresses = env_list(name)
    for address in addresses:
        host, port = _split_port(address) if ports else (address, "")
        try:
            ipaddress.ip_address(host)
        except ValueError as exc:
            raise ImproperlyConfigured(
                f"{name} must be IP addresses, separated by commas; {address!r} is not one."
            ) from exc
        if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
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


def _split_port(text: str) -> tuple[str, str]:
    """Address and port, the port "" if there is none; an IPv6 address with a port has brackets."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":")
    host, colon, port = text.partition(":")
    return (text, "") if ":" in port or not colon else (host, port)


def env_secret(name: str) -> str:
    """A secret from the variable NAME, or from the file whose path is in NAME_FILE.

    Raises:
        ImproperlyConfigured: the file cannot be read.
    """
    path = env_str(f"{name}_FILE")
    if not path:
        return env_str(name)
    try:
        return Path(path).read_text().strip()
    except OSError as exc:
        raise ImproperlyConfigured(
            f"{name}_FILE points at {path}, which cannot be read: {exc.strerror}."
        ) from exc
