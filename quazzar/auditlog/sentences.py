"""Each entry of the audit log as a sentence: one renderer for each action. Pure.

``tests/quazzar/auditlog/test_sentences.py`` finds every action that the code records, and its renderer here.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from quazzar.models import AuditEntry

#: Stands in the log for a sign-in name that does not exist.
UNKNOWN = "an unknown name"


@dataclass(frozen=True, slots=True)
class Sentence:
    """What an entry says.

    Attributes:
        who: the subject, such as ``anna``, ``API key backup-nas`` or ``Somebody``.
        did: the rest, without a full stop: ``changed the relay settings: host, port``.
        kind: what ``who`` is: user, key, command, system or anonymous.
    """

    who: str
    did: str
    kind: str

    def __str__(self) -> str:
        return f"{self.who} {self.did}"


@dataclass(frozen=True, slots=True)
class Value:
    """One field before and after, in words."""

    field: str
    before: str
    after: str


def sentence(entry: AuditEntry, name: str = "") -> Sentence:
    """The entry as a sentence; an action of an older version is shown as it was recorded.

    Args:
        name: what people call the target (``naming.py``).
    """
    if name:
        entry = copy(entry)
        entry.target = name
    kind, who = _subject(entry.actor)
    if kind == "anonymous" and entry.address:
        who = f"{who} at {entry.address}"
    return Sentence(who, RENDERERS.get(entry.action, _unknown)(entry), kind)


def values(entry: AuditEntry) -> list[Value]:
    """Before and after of the harmless fields that changed."""
    return [
        Value(field(name), _shown(before), _shown(after)) for name, (before, after) in entry.changes.items()
    ]


def field(name: str) -> str:
    """A field's name in words."""
    return _FIELDS.get(name) or name.replace("_", " ")


def _subject(actor: str) -> tuple[str, str]:
    kind, _, name = actor.partition(":")
    if kind == "user":
        return kind, name
    if kind == "key":
        return kind, f"API key {name.rpartition(' (')[0] or name}"
    if kind == "command":
        return kind, f"manage.py {name}"
    return ("anonymous", "Somebody") if kind == "anonymous" else ("system", "Quazzar")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    return "none" if value in (None, "") else str(value)


_FIELDS = {
    "tls_source": "certificate",
    "tls_certificate": "certificate",
    "tls_key": "private key",
    "tls_expires_at": "certificate's expiry",
    "quota_mb": "quota (MiB)",
    "mta_sts": "MTA-STS",
    "dmarc": "DMARC policy",
    "notify_backup_success": "mail about successful backups",
    "dkim_keys": "DKIM keys",
    "groups": "roles",
    "user_permissions": "single permissions",
    "is_active": "can sign in",
    "is_staff": "can open the console",
    "is_superuser": "superuser",
    "controller_password": "Rspamd password",
    "catch_all": "catch-all",
    "second_factor_required": "second factor needed",
    "own_mailbox": "Quazzar's own mailbox",
}


# --- renderers ---------------------------------------------------------------------------------------------
def _fields(entry: AuditEntry) -> str:
    names = list(dict.fromkeys(field(name) for name in entry.fields))
    return f": {', '.join(names)}" if names else ""


def _does(text: str) -> Callable[[AuditEntry], str]:
    """Fill in the target."""
    return lambda entry: text.format(entry.target)


def _changes(text: str) -> Callable[[AuditEntry], str]:
    """Fill in the target, and name the fields."""
    return lambda entry: text.format(entry.target) + _fields(entry)


def _messages(text: str) -> Callable[[AuditEntry], str]:
    """Fill in one message by its Message-ID, or their number."""
    return lambda entry: text.format(
        entry.target if entry.target.endswith(" messages") else f"message {entry.target}"
    )


def _operator_changed(entry: AuditEntry) -> str:
    own = entry.actor == f"user:{entry.target}"
    if entry.fields == ["password"]:
        return "changed their own password" if own else f"set a new password for {entry.target}"
    return f"changed {'their own account' if own else f'the operator “{entry.target}”'}{_fields(entry)}"


def _second_factor(verb: str, where: str) -> Callable[[AuditEntry], str]:
    def words(entry: AuditEntry) -> str:
        name, _, kind = entry.target.rpartition(": ")
        return (
            f"{verb} a second factor ({kind}) {where} {name}" if name else f"{verb} a second factor: {kind}"
        )

    return words


def _sign_in(known: str, unknown: str, again: str = "") -> Callable[[AuditEntry], str]:
    """For the name of an operator, for one that does not exist, and for one who is in and was asked again."""

    def words(entry: AuditEntry) -> str:
        if again and entry.actor == f"user:{entry.target}":
            return again
        return unknown if entry.target == UNKNOWN else known.format(entry.target)

    return words


def _refused(entry: AuditEntry) -> str:
    """The target is a method of HTTP and a path; what is only read is opened."""
    method, _, path = entry.target.partition(" ")
    if method in ("GET", "HEAD"):
        return f"was not allowed to {'read' if path.startswith('/api/') else 'open'} {path}"
    return f"was not allowed to make a change: {entry.target}"


def _key_refused(entry: AuditEntry) -> str:
    why = " and ".join(entry.fields)
    return f"used API key {entry.target} and was refused" + (f": {why}" if why else "")


def _published(entry: AuditEntry) -> str:
    return f"published DNS records of {entry.target}: {', '.join(entry.fields)}"


def _proofs_scheduled(entry: AuditEntry) -> str:
    if entry.target == "off":
        return "stopped sending delivery proofs on schedule"
    return f"scheduled a delivery proof every {entry.target}"


def _unknown(entry: AuditEntry) -> str:
    what = entry.action.replace(".", " ").replace("_", " ")
    return f"recorded “{what}”{f' for {entry.target}' if entry.target else ''}{_fields(entry)}"


RENDERERS: dict[str, Callable[[AuditEntry], str]] = {
    "relay.changed": _changes("changed the relay settings"),
    "relay.removed": _does("removed the relay settings"),
    "message.retried": _messages("retried {}"),
    "message.cancelled": _messages("cancelled {}"),
    "message.deleted": _messages("deleted {}"),
    "message.read": _messages("read the content of {}"),
    "message.sent_again": _messages("sent a copy of {} to others"),
    "stack.enabled": _does("enabled the mail server as {}"),
    "stack.disabled": _does("disabled the mail server {}"),
    "stack.purged": _does("removed the mail server {} with all its mail"),
    "stack.changed": _changes("changed the mail server"),
    "stack.certificate_changed": _does("changed the mail server's certificate"),
    "stack.controller_password_shown": _does("viewed the password of Rspamd's web interface"),
    "stack.queue_retried": _does("retried {} that waited in Postfix"),
    "stack.queue_held": _does("put {} in Postfix's queue on hold"),
    "stack.queue_released": _does("released {} in Postfix's queue from hold"),
    "stack.queue_deleted": _does("deleted {} from Postfix's queue"),
    "stack.interruption_allowed": _does("allowed the mail server's repairs to interrupt mail"),
    "stack.images_upgrade_started": _does("started to upgrade the images of the mail server {}"),
    "stack.images_upgraded": _does("upgraded the images of the mail server {}"),
    "stack.images_rolled_back": _does("rolled back the upgrade of the mail server {}"),
    "stack.images_not_upgraded": _does(
        "gave up upgrading the images of the mail server {}; nothing was changed"
    ),
    "domain.added": _does("added domain {}"),
    "domain.changed": _changes("changed domain {}"),
    "domain.removed": _does("removed domain {}"),
    "domain.dkim_rotation_begun": _does("started to rotate the DKIM key of {}"),
    "domain.dkim_rotation_cancelled": _does("cancelled the rotation of {}'s DKIM key"),
    "domain.dkim_rotated": _does("switched {} to its new DKIM key"),
    "domain.dkim_key_retired": _does("removed a retired DKIM key of {}"),
    "domain.dkim_ed25519_begun": _does("added an Ed25519 DKIM key to {}"),
    "domain.dkim_ed25519_removed": _does("removed the Ed25519 DKIM key of {}"),
    "domain.dkim_ed25519_signs": _does("started to sign {}'s mail with its Ed25519 key too"),
    "domain.dns_options_changed": _changes("changed the DNS options of {}"),
    "domain.publisher_set": _changes("changed how DNS records of {} are published"),
    "domain.publisher_removed": _does("stopped publishing {}'s DNS records automatically"),
    "domain.published": _published,
    "mailbox.added": _does("added mailbox {}"),
    "mailbox.changed": _changes("changed mailbox {}"),
    "mailbox.removed": _does("deleted mailbox {}"),
    "mailbox.restored": _does("restored mailbox {}"),
    "alias.added": _does("added alias {}"),
    "alias.changed": _changes("changed alias {}"),
    "alias.removed": _does("removed alias {}"),
    "expected_report.watched": _does("started to watch the report {}"),
    "expected_report.declared": _does("added the report {}"),
    "expected_report.changed": _changes("changed the report {}"),
    "expected_report.paused": _does("paused the report {}"),
    "expected_report.ignored": _does("ignored the report {}"),
    "expected_report.deleted": _does("deleted the report {}"),
    "proof.started": _does("sent a delivery proof to {}"),
    "proof.pasted": _does("pasted the header of the delivery proof to {}"),
    "proof.scheduled": _proofs_scheduled,
    "inbox.added": _does("added the inbox {}"),
    "inbox.changed": _changes("changed the inbox {}"),
    "inbox.removed": _does("removed the inbox {}"),
    "own_mailbox.added": _does("created {}, the mailbox in which it reads bounces and reports"),
    "own_mailbox.renewed": _does("gave its own mailbox {} a new password"),
    "webhook.added": _does("set up the webhook of {}"),
    "webhook.changed": _changes("changed the webhook of {}"),
    "webhook.renewed": _does("gave the webhook of {} a new address"),
    "webhook.removed": _does("removed the webhook of {}"),
    "suppression.added": _does("added {} to the suppression list"),
    "suppression.removed": _does("removed {} from the suppression list"),
    "import.started": _does("started an {}"),
    "import.done": _does("finished an {}"),
    "apikey.created": _does("created API key {}"),
    "apikey.revoked": _does("revoked API key {}"),
    "apikey.refused": _key_refused,
    "operator.invited": _does("invited {}"),
    "operator.invitation_used": lambda entry: "accepted the invitation and chose a password",
    "operator.invitation_revoked": _does("revoked the invitation of {}"),
    "operator.reset": _does("reset the password, second factors and sessions of {}"),
    "operator.reset_used": lambda entry: "chose a new password after a reset",
    "operator.session_ended": _does("signed out a session of {}"),
    "operator.signed_out_elsewhere": _does("signed out the other sessions of {}"),
    "operator.created": _does("added the operator “{}”"),
    "operator.changed": _operator_changed,
    "operator.deleted": _does("deleted the operator “{}”"),
    "operator.signed_in": lambda entry: "signed in",
    "operator.refused": _refused,
    "operator.signed_out": lambda entry: "signed out",
    "operator.sign_in_failed": _sign_in(
        "failed to sign in as {}",
        "tried to sign in with a name that does not exist",
        "was asked for their password again and typed a wrong one",
    ),
    "operator.second_factor_failed": _sign_in(
        "failed the second step of signing in as {}", "failed the second step of signing in"
    ),
    "operator.second_factor_added": _second_factor("added", "for"),
    "operator.second_factor_removed": _second_factor("removed", "from"),
    "operator.recovery_codes_made": _does("created new recovery codes for {}"),
    "operator.recovery_code_used": _does("signed in as {} with a recovery code"),
    "sign_in_policy.changed": _changes("changed the rules for signing in"),
    "operator.locked_out": _sign_in(
        "was locked out after too many failed sign-ins as {}",
        "was locked out after too many failed sign-ins",
        "was locked out after too many wrong passwords",
    ),
    "backup.made": _does("backed this node up to {}"),
    "backup.failed": _does("failed to back this node up to {}"),
    "node.restored": _does("restored this node from a {}"),
    "license.installed": lambda entry: f"installed a licence for Orbit {entry.target.capitalize()}",
    "license.removed": _does("removed the licence"),
}
