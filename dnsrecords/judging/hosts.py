"""Records of the hostname and of what finds it: A, AAAA, PTR, CNAME, SRV, TLSA. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from dnsrecords.answers import Answer
    from dnsrecords.records.build import Facts, Record
    from dnsrecords.spf.evaluate import Lookup


# --- addresses ---------------------------------------------------------------------------------------------
def judge_address(record: Record, facts: Facts, answer: Answer) -> Verdict:
    """A or AAAA: whether the name leads to this node."""
    found = tuple(map(_address, answer.values))
    if not found:
        message = f"{record.name} has no {record.type} record, so this node cannot be found there. Add it."
        return Verdict(Status.MISSING, message)
    if record.value not in found:
        message = (
            f"{record.name} leads to {' and '.join(found)} instead of {record.value}. Change the record."
        )
        return Verdict(Status.MISMATCH, message, answer.values)
    if answer.cname:
        message = (
            f"{record.name} is a CNAME to {answer.cname}, which MX records may not point to (RFC 2181 §10.3). "
            f"Replace the CNAME by the {record.type} record given here."
        )
        return Verdict(Status.MISMATCH, message, answer.values)
    return Verdict(Status.OK, _strangers(record, facts, found), answer.values)


def _strangers(record: Record, facts: Facts, found: tuple[str, ...]) -> str:
    known = {record.value, *map(_address, facts.addresses)}
    others = [each for each in found if each not in known]
    if not others:
        return ""
    return (
        f"{record.name} leads to {' and '.join(others)} as well: if that is not this node, a part of the mail is lost. "
        "Delete what is not this node's."
    )


def _address(text: str) -> str:
    """An address in its one spelling; any other text as it is."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def judge_pointer(record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
    """PTR: whether the address has the hostname, and the hostname leads back to the address (RFC 8601 §3)."""
    found, wanted = tuple(map(_name, answer.values)), _name(record.value)
    address = next(
        (each for each in map(_address, facts.addresses) if _pointer(each) == record.name), record.name
    )
    ask = "Set it at the provider of the address, in its console or by a request; the registrar cannot."
    if not found:
        message = f"The address {address} has no name (PTR), for which large providers refuse its mail. {ask}"
        return Verdict(Status.MISSING, message)
    if wanted not in found:
        message = f"The name (PTR) of {address} is {' and '.join(found)} instead of {wanted}. {ask}"
        return Verdict(Status.MISMATCH, message, answer.values)
    type_ = "AAAA" if ":" in address else "A"
    back = lookup(wanted, type_)
    if faults.failed(back.outcome) or address in map(_address, back.values):
        return Verdict(Status.OK, found=answer.values)
    message = (
        f"The name (PTR) of {address} is right, but {wanted} does not lead back to that address, so receivers do not "
        f"trust it. Add the {type_} record {address} to {wanted}."
    )
    return Verdict(Status.MISMATCH, message, answer.values)


def _pointer(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer


def _name(text: str) -> str:
    return text.strip().lower().rstrip(".")


# --- aliases and services ----------------------------------------------------------------------------------
def judge_alias(record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
    """CNAME, or instead of it addresses that lead to this node just as well."""
    wanted = _name(record.value)
    found = tuple(map(_name, answer.values)) or ((answer.cname,) if answer.cname else ())
    if wanted in found:
        return Verdict(Status.OK, found=found)
    addresses = tuple(value for type_ in ("A", "AAAA") for value in lookup(record.name, type_).values)
    if any(_address(each) in map(_address, facts.addresses) for each in addresses):
        return Verdict(Status.OK, found=found or addresses)
    if found:
        message = (
            f"{record.name} leads to {' and '.join(found)} instead of {wanted}. Change the CNAME record."
        )
        return Verdict(Status.MISMATCH, message, found)
    if addresses:
        message = (
            f"{record.name} leads to {' and '.join(addresses)}, which is not known as this node's. "
            "Delete that record, and add the CNAME record."
        )
        return Verdict(Status.MISMATCH, message, addresses)
    return Verdict(Status.MISSING, f"{record.name} is not there. Add the CNAME record.")


def judge_service(record: Record, answer: Answer) -> Verdict:
    """SRV: host and port count; priority and weight are the operator's choice."""
    wanted = _service(record.value)
    found = tuple(map(_service, answer.values))
    if not found:
        message = (
            f"{record.name} is not there, so mail programs have to be set up by hand. Add the SRV record."
        )
        return Verdict(Status.MISSING, message)
    if wanted in found:
        return Verdict(Status.OK, found=answer.values)
    if any(not host for _, host in found):
        message = (
            f"{record.name} says that there is no such service (a target of a dot). Replace the SRV record."
        )
    else:
        where = " and ".join(f"{host} port {port}" for port, host in found)
        message = f"{record.name} sends mail programs to {where} instead of {wanted[1]} port {wanted[0]}. Change it."
    return Verdict(Status.MISMATCH, message, answer.values)


def _service(value: str) -> tuple[str, str]:
    """(port, host)"""
    fields = value.split(" ")
    return (fields[2] if len(fields) > 2 else "", _name(" ".join(fields[3:])))


# --- certificates ------------------------------------------------------------------------------------------
def judge_pin(record: Record, answer: Answer) -> Verdict:
    """TLSA: whether this certificate is pinned, in a zone that is signed."""
    found = tuple(map(_pin, answer.values))
    if not found:
        return Verdict(Status.MISSING, f"No certificate is pinned at {record.name}. Add the TLSA record.")
    if _pin(record.value) not in found:
        message = (
            f"The TLSA record pins another certificate than this node's, so that servers with DANE refuse to send mail "
            f"here. Replace the record at {record.name} at once."
        )
        return Verdict(Status.MISMATCH, message, answer.values)
    return Verdict(Status.OK, _other_pins(record, found), answer.values)


def _other_pins(record: Record, found: tuple[tuple[str, ...], ...]) -> str:
    if len(set(found)) == 1:
        return ""
    return (
        f"Other TLSA records stand at {record.name} as well: right while one certificate replaces another, and to be "
        "deleted an hour after the old one is out of use."
    )


def _pin(value: str) -> tuple[str, ...]:
    fields = value.lower().split()
    return (*fields[:3], "".join(fields[3:]))
