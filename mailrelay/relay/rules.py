"""The rules for relay settings: what a preset fills in, and what is wrong with each field, in sentences. Pure."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from mailrelay.bounces import returnpath
from mailrelay.mail import addresses
from mailrelay.relay.presets import PRESETS, by_id
from quazzar import validation, words

MAX_RECIPIENTS = 50
SECURITIES = ("starttls", "tls", "none")
RECIPIENT_LISTS = ("alert_recipients", "backup_recipients")
#: The port that speaks TLS from its first byte (RFC 8314), and those that begin in plain text.
IMPLICIT_TLS_PORT = 465
PLAIN_FIRST_PORTS = (25, 587, 2525)
#: The place that the saved password is sent to; a change of any of these needs the password again.
PASSWORD_PLACE = ("host", "port", "username", "security")
PLACE_CHANGED = (
    "The saved password was entered for another host, port, username or security. Enter the password for this one, or "
    "remove it."
)
_LENGTHS = {"host": 253, "username": 320, "from_address": 254, "from_name": 200}
#: Categories of characters that look like a space, or like nothing.
_UNSEEN = ("Cc", "Cf", "Zs", "Zl", "Zp")
_PASTED = ", which often comes from pasted text. If it does not belong there, type the value by hand."
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def complete(data: Mapping[str, Any], current: Mapping[str, Any], *, partial: bool) -> dict[str, Any]:
    """``current`` overlaid with ``data``, normalised.

    A preset fills in host, port and security if ``data`` has none of its own: with ``partial`` only when the provider
    changes, otherwise always.
    """
    provided = {name: value for name, value in data.items() if value is not None}
    values = {**current, **provided}
    preset = by_id(str(values.get("provider")))
    changed = values.get("provider") != current.get("provider")
    if preset and preset.host and (changed or not partial):
        security = "tls" if provided.get("port") == IMPLICIT_TLS_PORT else preset.security
        filled = {"host": preset.host, "port": preset.port, "security": security}
        values.update({name: value for name, value in filled.items() if name not in provided})
    elif not partial and "security" not in provided:
        values["security"] = "tls" if values.get("port") == IMPLICIT_TLS_PORT else "starttls"
    return _normalised(values)


def problems(values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Field → sentences, for every field that is wrong; empty when everything can be saved.

    Host, from address and username may be empty; without a host the relay is not configured.
    """
    sentences_by_field: dict[str, list[str]] = {
        "provider": _provider(values["provider"]),
        "host": _host(values["host"]),
        "port": _port(values["port"]),
        "security": _security(values["port"], values["security"]),
        "username": _text("The username", values["username"], _LENGTHS["username"]),
        "from_address": _from_address(values["from_address"]),
        "from_name": _from_name(values["from_name"]),
        "bounce_address": _bounce_address(values["bounce_address"]),
        **{name: _recipients(values[name]) for name in RECIPIENT_LISTS},
    }
    return {name: sentences for name, sentences in sentences_by_field.items() if sentences}


def pasted(text: str) -> str:
    """The text without the line break at its end that copying a whole line adds."""
    return text.rstrip("\r\n")


def password_problem(password: str) -> str:
    """What is wrong with a password, in a sentence; empty when it can be saved."""
    if re.search(r"[\x00\r\n]", password):
        return (
            "The password contains a line break or NUL. Paste it again, without the text above or below it."
        )
    return ""


def oddity(what: str, text: str) -> str:
    """A sentence about a character that nobody sees in a saved username or password; empty if there is none.

    Such a character may belong there, so it is kept.
    """
    hidden = next((char for char in text if char != " " and unicodedata.category(char) in _UNSEEN), "")
    if hidden:
        name = unicodedata.name(hidden, "invisible character").lower()
        return f"{what} contains an invisible character ({name}, U+{ord(hidden):04X}){_PASTED}"
    if text != text.strip():
        place = "begins" if text != text.lstrip() else "ends"
        return f"{what} {place} with a space{_PASTED}"
    return ""


# --- normal forms ------------------------------------------------------------------------------------------
def _normalised(values: dict[str, Any]) -> dict[str, Any]:
    """Valid values in the form that is stored (A-labels, lower case); wrong ones unchanged, for ``problems``."""
    values["host"] = _normal_host(values["host"])
    values["from_address"] = _normal_address(values["from_address"])
    values["bounce_address"] = _normal_address(values["bounce_address"])
    for name in RECIPIENT_LISTS:
        if isinstance(values[name], list):
            values[name] = [_normal_address(address) for address in values[name]]
    return values


def _normal_host(host: Any) -> Any:
    if not isinstance(host, str):
        return host
    bare = host.strip()
    if bare.startswith("[") and bare.endswith("]") and _ip(bare[1:-1]):
        return bare[1:-1].lower()
    try:
        return bare.lower() if _ip(bare) else addresses.ascii_domain(bare)
    except ValueError:
        return bare


def _normal_address(address: Any) -> Any:
    if not isinstance(address, str):
        return address
    try:
        return addresses.normalise(address) if address.strip() else ""
    except ValueError:
        return address


def _ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# --- problems ----------------------------------------------------------------------------------------------
def _provider(provider: Any) -> list[str]:
    ids = ", ".join(preset.id for preset in PRESETS)
    return [] if by_id(str(provider)) else [f"The provider must be one of {ids}."]


def _host(host: Any) -> list[str]:
    wrong = _text("The host", host, _LENGTHS["host"])
    if wrong or not host or _ip(host):
        return wrong
    sentence = _not_only_a_name(host) or _not_a_name(host)
    return [sentence] if sentence else []


def _not_only_a_name(host: str) -> str:
    """A sentence about what was typed around the name; empty when it is only a name."""
    if _SCHEME.match(host):
        name = re.split(r"[/?#]", host.split("://", 1)[1])[0].rpartition("@")[2]
        bare = name.split(":")[0]
        return "The host must be a name, not a URL: leave out the rest" + (
            f" and enter {bare}." if bare else "."
        )
    if any(char.isspace() for char in host):
        return "The host contains a space. Enter one name, such as smtp.example.com."
    if "/" in host or "\\" in host:
        return "The host contains a slash. Enter only the name, such as smtp.example.com."
    if "@" in host:
        name = host.rpartition("@")[2] or "the name alone"
        return f"The host contains an @. Enter {name} here, and the rest as the username."
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        return (
            f"The host contains a port. Enter {name.strip('[]') or 'the name'} here, and {port} as the port."
        )
    return ""


def _not_a_name(host: str) -> str:
    advice = "enter a name such as smtp.example.com, or an IP address."
    try:
        name = addresses.ascii_domain(host)
    except ValueError:
        return f"{host!r} is neither a host name nor an IP address: {advice}"
    # No top-level domain is a number (RFC 3696 §2): this is an IP address with a mistake in it.
    if name.startswith("[") or name.rpartition(".")[2].isdigit():
        return f"{host!r} is neither a host name nor a complete IP address: {advice}"
    return ""


def _port(port: Any) -> list[str]:
    if isinstance(port, int) and not isinstance(port, bool) and 1 <= port <= 65535:
        return []
    return ["The port must be a whole number from 1 to 65535. Most relays listen on 587."]


def _security(port: Any, security: Any) -> list[str]:
    if security not in SECURITIES:
        return ["The security must be starttls, tls or none."]
    if port == IMPLICIT_TLS_PORT and security != "tls":
        return ["Port 465 uses TLS from the first byte. Choose Implicit TLS, or port 587 for STARTTLS."]
    if port in PLAIN_FIRST_PORTS and security == "tls":
        return [f"Port {port} starts in plain text. Choose STARTTLS, or port 465 for Implicit TLS."]
    return []


def _from_address(address: Any) -> list[str]:
    if isinstance(address, str) and "<" in address:
        return ["Enter only the address, such as node@example.com. The name goes into the from name."]
    return _address(address) if address else []


def _from_name(name: Any) -> list[str]:
    what = "The from name"
    if problems := _text(what, name, _LENGTHS["from_name"]):
        return problems
    problem = validation.name_problem(name, what)
    return [problem] if problem else []


def _bounce_address(address: Any) -> list[str]:
    if not address or (wrong := _address(address)):
        return wrong if address else []
    local = address.rpartition("@")[0]
    if not address.isascii() or local.startswith('"'):
        return ["The address for bounces must be plain ASCII, such as bounces@example.com."]
    if len(local) > returnpath.LONGEST_LOCAL:
        return [
            f"The part before the @ can have at most {returnpath.LONGEST_LOCAL} characters: a token is added to it."
        ]
    return []


def _address(address: Any) -> list[str]:
    if not isinstance(address, str):
        return ["A mail address must be text such as name@example.com."]
    if re.search(r"[\ud800-\udfff]", address):
        return ["An address cannot contain half a character."]
    try:
        addresses.normalise(address)
    except ValueError as exc:
        return [str(exc)]
    return []


def _recipients(listed: Any) -> list[str]:
    if not isinstance(listed, list):
        return ["Enter a list of mail addresses."]
    sentences = [sentence for address in listed for sentence in _recipient(address)]
    if len(listed) > MAX_RECIPIENTS:
        sentences.append(f"You can set at most {MAX_RECIPIENTS} recipients; these are {len(listed)}.")
    return sentences or [f"{address} is listed more than once." for address in _repeated(listed)]


def _recipient(address: Any) -> list[str]:
    if isinstance(address, str) and "<" in address:
        return [
            f"{words.cut(address, 60)!r} has a name in it. Enter only the address, such as ops@example.com."
        ]
    return _address(address)


def _repeated(listed: Sequence[str]) -> list[str]:
    normal = [addresses.normalise(address) for address in listed]
    return [address for address in dict.fromkeys(normal) if normal.count(address) > 1]


def _text(what: str, text: Any, most: int) -> list[str]:
    if not isinstance(text, str):
        return [f"{what} must be text."]
    if _CONTROL.search(text):
        return [f"{what} cannot contain line breaks or control characters."]
    return [f"{what} can have at most {most} characters."] if len(text) > most else []
