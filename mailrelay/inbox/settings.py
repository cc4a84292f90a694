"""The only writer of inboxes: adds, changes and removes them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from mailrelay.mail import addresses
from mailrelay.models import Inbox
from mailrelay.relay import rules
from quazzar import doorbell, validation
from quazzar.access import audit
from quazzar.errors import InvalidFields, NotFound, QuazzarError
from quazzar.sealing.binding import has_moved

#: Every field but the password.
FIELDS = ("host", "port", "security", "username", "folder", "after", "processed_folder", "enabled")
#: The place that the saved password is sent to.
_PLACE = ("host", "port", "security", "username")
DEFAULTS: dict[str, Any] = {
    "port": None,
    "security": Inbox.Security.TLS,
    "username": "",
    "folder": "INBOX",
    "after": Inbox.After.SEEN,
    "processed_folder": "Processed",
    "enabled": True,
}
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")
#: What is forgotten when another folder is read.
NOT_READ_YET = {"uid_validity": None, "last_uid": 0, "trying_uid": 0, "tries": 0, "last_error": None}


class OwnedInbox(QuazzarError):
    """An operator wants to change the inbox that Quazzar looks after."""

    code = "owned_inbox"
    message = "Quazzar looks after this inbox itself."
    hint = "Switch off Quazzar's own mailbox of the mail server to get rid of it, and add another inbox."
    status = 409


def values_of(row: Inbox) -> dict[str, Any]:
    """The values of the row's fields, without the password."""
    return {name: getattr(row, name) for name in FIELDS}


def add(values: Mapping[str, Any]) -> Inbox:
    """Add an inbox.

    Raises:
        InvalidFields: a value is wrong; nothing is saved.
    """
    return _save(Inbox(), {**DEFAULTS, **values}, {})


def change(pk: int, changes: Mapping[str, Any]) -> Inbox:
    """Change an inbox; a ``password`` that is absent or "" keeps the saved one while its place stays the same.

    Raises:
        InvalidFields: a value is wrong; nothing is saved.
        NotFound: there is no such inbox.
        OwnedInbox: it is Quazzar's own.
    """
    with transaction.atomic():
        row = _changeable(pk)
        before = values_of(row)
        return _save(row, {**before, **changes}, before)


def remove(pk: int) -> None:
    """Remove an inbox; what was read from it stays.

    Raises:
        NotFound: there is no such inbox.
        OwnedInbox: it is Quazzar's own.
    """
    with transaction.atomic():
        row = _changeable(pk)
        row.delete()
        audit.record("inbox.removed", row)


def _changeable(pk: int) -> Inbox:
    row = Inbox.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        raise NotFound
    if row.owned:
        raise OwnedInbox
    return row


def _save(row: Inbox, values: dict[str, Any], before: dict[str, Any]) -> Inbox:
    password = values.pop("password", "") or ""
    values = _normalised(values)
    wrong = _problems(values)
    if password and (sentence := rules.password_problem(rules.pasted(password))):
        wrong["password"] = [sentence]
    elif not password and row.password is None:
        wrong["password"] = ["Enter the password."]
    elif not password and before and has_moved(before, values, _PLACE):
        wrong["password"] = [
            "The saved password was entered for another server or user. Enter the password for this one."
        ]
    if wrong:
        raise InvalidFields(wrong)
    for name in FIELDS:
        setattr(row, name, values[name])
    if password:
        row.password = rules.pasted(password)
    if has_moved(before or dict.fromkeys(FIELDS), values, (*_PLACE, "folder")):
        for name, value in NOT_READ_YET.items():
            setattr(row, name, value)
    with transaction.atomic():
        row.save()
        changed = {
            name: (before.get(name), values[name]) for name in FIELDS if before.get(name) != values[name]
        }
        audit.record(
            "inbox.changed" if before else "inbox.added",
            row,
            ["password"] if password else (),
            changes=changed if before else {},
        )
        doorbell.look_soon()
    return row


def _normalised(values: dict[str, Any]) -> dict[str, Any]:
    for name in ("host", "username", "folder", "processed_folder"):
        values[name] = str(values.get(name) or "").strip()
    values["host"] = _ascii(values["host"].strip("[]").rstrip(".").lower())
    if values["port"] is None:
        values["port"] = 993 if values["security"] == Inbox.Security.TLS else 143
    return values


def _ascii(host: str) -> str:
    """The name as A-labels (IDNA); what is no name unchanged, for ``_problems``."""
    try:
        return host if host.isascii() else addresses.ascii_domain(host)
    except ValueError:
        return host


def _problems(values: Mapping[str, Any]) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {}
    if not _HOST.fullmatch(values["host"]):
        wrong["host"] = ["Enter a host name, such as imap.example.com, or an IP address."]
    if not isinstance(values["port"], int) or not 1 <= values["port"] <= 65535:
        wrong["port"] = ["Enter a port from 1 to 65535; IMAP uses 993 or 143."]
    if values["security"] not in Inbox.Security.values:
        wrong["security"] = ["Choose tls, starttls or none."]
    elif values["security"] == Inbox.Security.NONE and not _is_near(values["host"]):
        wrong["security"] = [
            "The password would cross the network unencrypted. Choose TLS, or a server on this machine."
        ]
    if not values["username"] or len(values["username"]) > 320:
        wrong["username"] = ["Enter the user name, often the whole address."]
    for name in ("folder", "processed_folder"):
        if len(values[name]) > 200:
            wrong[name] = ["The name of a folder can have at most 200 characters."]
    for name in ("username", "folder", "processed_folder"):
        if problem := validation.name_problem(values[name]):
            wrong[name] = [problem]
    if not values["folder"]:
        wrong["folder"] = ["Enter a folder; INBOX is there always."]
    if values["after"] not in Inbox.After.values:
        wrong["after"] = ["Choose seen, move or leave."]
    elif values["after"] == Inbox.After.MOVE and values["processed_folder"] in ("", values["folder"]):
        wrong["processed_folder"] = ["Enter another folder than the one that is read."]
    return wrong


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
