"""What Home says about the node itself: plan, machine, changes and sign-ins, and the operator's own first steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quazzar import rights
from quazzar.access.secondfactor import factors
from quazzar.auditlog import naming
from quazzar.auditlog.sentences import sentence
from quazzar.home import registry
from quazzar.home.registry import Event, Fact, Link, Part, Step, Tile
from quazzar.models import AuditEntry, Operator
from quazzar.monitoring.doctor import Area
from quazzar.plans import entitlements, licenses

_SIGNED_IN, _SIGNED_OUT = "operator.signed_in", "operator.signed_out"
_REFUSED = ("operator.sign_in_failed", "operator.locked_out", "operator.second_factor_failed")
_FEATURE = "orbit_mail"
_PLANS = Link("Compare plans", "admin:index", "?upgrade=1")
_CHANGES, _SIGN_INS = 5, 3
#: How many of the latest entries are read.
_LATEST = 40


def register() -> None:
    """Register all of it; called by the app's ready()."""
    registry.register("quazzar", look)
    registry.register_events("quazzar", events)
    registry.register_step(
        Step(
            key="password",
            title="Choose a password of your own",
            text="After that, the printed one-time password stops working.",
            link=Link("Change password", "admin:password_change"),
            is_done=_has_own_password,
            is_personal=True,
        )
    )
    registry.register_step(
        Step(
            key="licence",
            title="Install a licence",
            text="This node's plan does not include Mail Relay. The steps that send mail open with a licence.",
            link=_PLANS,
            right=rights.INSTALL_LICENCE,
            is_done=lambda user: entitlements.has(_FEATURE),
            is_passing=True,
        )
    )
    registry.register_step(
        Step(
            key="second factor",
            title="Add a second factor",
            text="With an authenticator app, a stolen password is not enough to sign in.",
            link=Link("Set up a second factor", "admin:account"),
            is_done=factors.has_any,
            is_personal=True,
        )
    )


def look(user: Any) -> Part:
    """The plan and the machine."""
    return Part((_licence(), _node()))


def _licence() -> Tile:
    licence = licenses.read()
    facts = [Fact("Plan", licence.plan.title)]
    if licence.expires_at is not None:
        facts.append(Fact("Until", at=licence.expires_at))
    return Tile(
        Area.LICENCE,
        "Licence",
        "workspace_premium",
        _PLANS,
        tuple(facts),
    )


def _node() -> Tile:
    return Tile(Area.NODE, "This server", "dns", Link("Open Doctor", "admin:doctor"))


def _has_own_password(user: Any) -> bool:
    return not Operator.objects.filter(user=user, must_change_password=True).exists()


def events(user: Any) -> Iterator[Event]:
    """The latest changes and sign-ins, if the operator may see them; sign-outs are not shown."""
    if not rights.SEE_AUDIT_LOG(user):
        return
    left = {"change": _CHANGES, "sign-in": _SIGN_INS, "refused": _SIGN_INS}
    log = Link("Audit log", "admin:quazzar_auditentry_changelist")
    entries = list(AuditEntry.objects.order_by("-id")[:_LATEST])
    named = naming.names(user, entries)
    for entry in entries:
        kind = kind_of(entry.action)
        if left.get(kind):
            left[kind] -= 1
            name = named.get(entry.target, "")
            said = sentence(entry, name)
            did = said.did if name else said.did.replace(f"message {entry.target}", "a message")
            yield Event(f"log-{entry.pk}", kind, entry.at, said.who, did, log)


def kind_of(action: str) -> str:
    """The kind of event of an audit log entry; empty for one that is not shown. Pure."""
    if action == _SIGNED_OUT:
        return ""
    if action == _SIGNED_IN:
        return "sign-in"
    return "refused" if action in _REFUSED else "change"
