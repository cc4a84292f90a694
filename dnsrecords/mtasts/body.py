"""The text of an MTA-STS policy (RFC 8461 §3.2), read as senders read it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dnsrecords.text.taglists import shown

MODES = ("enforce", "testing", "none")
#: Seconds; senders keep no policy longer than a year.
_LONGEST = 31_557_600
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_AGE = re.compile(r"[0-9]{1,10}")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Body:
    """A policy as senders read it.

    Attributes:
        mode: enforce, testing or none.
        hosts: mail servers that mail may go to: names in lower case, or ``*.`` and a name.
        max_age: seconds for which senders keep the policy.
        fault: why the policy is not valid, as a clause; empty: it is.
    """

    mode: str = ""
    hosts: tuple[str, ...] = ()
    max_age: int = 0
    fault: str = ""

    def covers(self, hostname: str) -> bool:
        """Whether mail may go to a host; a wildcard stands for exactly one label (§4.1)."""
        name = hostname.lower().rstrip(".")
        return bool({name, f"*.{name.partition('.')[2]}"} & set(self.hosts))


def parse(text: str) -> Body:
    """Parses any text. Of a field that appears twice the first counts, but for ``mx``; unknown ones are ignored."""
    fields: dict[str, list[str]] = {}
    for line in re.split(r"\r?\n", text.rstrip("\r\n")):
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name):
            return Body(fault=f'the line {shown(line)} is not in the form "name: value"')
        if not value.strip(" \t"):
            return Body(fault=f"{name}: has no value")
        fields.setdefault(name, []).append(value.strip(" \t"))
    single = {name: values[0] for name, values in fields.items()}
    hosts = tuple(host.lower().removesuffix(".") for host in fields.get("mx", ()))
    if fault := _fault(single, hosts):
        return Body(fault=fault)
    return Body(single["mode"], hosts, min(int(single["max_age"]), _LONGEST))


def _fault(fields: dict[str, str], hosts: tuple[str, ...]) -> str:
    for name in ("version", "mode", "max_age"):
        if name not in fields:
            return f"{name}: is missing"
    if fields["version"] != "STSv1":
        return f"its version is {shown(fields['version'])} instead of STSv1"
    if fields["mode"] not in MODES:
        return f"its mode is {shown(fields['mode'])} instead of enforce, testing or none"
    if not _AGE.fullmatch(fields["max_age"]):
        return f"its max_age is {shown(fields['max_age'])} instead of a number of seconds"
    if not hosts and fields["mode"] != "none":
        return "mx: is missing"
    wrong = next((host for host in hosts if not _HOST.fullmatch(host)), None)
    return f"its mx {shown(wrong)} is not a host name" if wrong is not None else ""
