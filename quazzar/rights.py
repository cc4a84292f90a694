"""Who may do what: every right of the product, declared once. API and console check the same declaration.

A right names the permissions of Django that grant it and the scope that an API key needs. A caller has it if the user
holds one of the permissions and, with a key, the key has the scope as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Scopes of API keys.
READ, WRITE, SEND_MAIL = SCOPES = ("mail:read", "mail:write", "mail:send")

#: Permissions that operators can be given, ``app_label.codename``, and what they allow. Roles consist of them.
PERMISSIONS = {
    "mailrelay.view_relaysettings": "see the relay settings",
    "mailrelay.change_relaysettings": "change and test the relay settings, and install a licence",
    "mailrelay.view_message": "see messages (without their content)",
    "mailrelay.read_message": "read the content of messages",
    "mailrelay.add_message": "send mail, alerts and backup reports",
    "mailrelay.change_message": "retry and cancel messages",
    "mailrelay.delete_message": "delete messages",
    "mailrelay.view_expectedreport": "see expected reports",
    "mailrelay.change_expectedreport": "watch, change and delete expected reports",
    "mailboxes.view_stack": "see the mail server and its logs",
    "mailboxes.change_stack": "change the mail server",
    "mailboxes.view_domain": "see domains and their DNS records",
    "mailboxes.add_domain": "add domains",
    "mailboxes.change_domain": "change domains, and check and publish their DNS records",
    "mailboxes.delete_domain": "delete domains",
    "mailboxes.view_mailbox": "see mailboxes",
    "mailboxes.add_mailbox": "add, import and restore mailboxes",
    "mailboxes.view_importjob": "see imports of mailboxes",
    "mailboxes.change_mailbox": "change mailboxes and their passwords",
    "mailboxes.delete_mailbox": "delete mailboxes",
    "mailboxes.view_alias": "see aliases",
    "mailboxes.add_alias": "add aliases",
    "mailboxes.change_alias": "change aliases",
    "mailboxes.delete_alias": "delete aliases",
    "quazzar.view_apikey": "see their own API keys",
    "quazzar.add_apikey": "create their own API keys",
    "quazzar.change_apikey": "revoke their own API keys",
    "quazzar.view_auditentry": "see the audit log",
    "quazzar.manage_operator": "manage operators and everybody's API keys",
}


@dataclass(frozen=True, slots=True)
class Right:
    """Something that a caller may or may not do.

    Attributes:
        permissions: holding one of them is enough; none: every operator has the right.
        scope: what an API key needs in addition; empty: no key has the right, only the console.
    """

    permissions: tuple[str, ...]
    scope: str = ""

    def __call__(self, user: Any) -> bool:
        """Whether the user's own permissions include this."""
        return user.is_staff and (not self.permissions or any(map(user.has_perm, self.permissions)))

    def __or__(self, other: Right) -> Right:
        """Either of the two; the scope is the first one's."""
        return Right((*self.permissions, *other.permissions), self.scope)

    @property
    def missing(self) -> str:
        """A sentence for a caller without the right: what is not allowed. ``roles.refusal`` adds which role has it."""
        if not self.permissions:
            return "Only operators who can open the console may do this."
        words = PERMISSIONS.get(self.permissions[0], "do this").replace("their own", "your own")
        return f"You are not allowed to {words}."


def _see(*permissions: str) -> Right:
    return Right(permissions, READ)


def _change(*permissions: str) -> Right:
    return Right(permissions, WRITE)


def _send(*permissions: str) -> Right:
    return Right(permissions, SEND_MAIL)


#: What every operator may read: which endpoints there are, and the plan of this node.
LOOK_AROUND = _see()

#: Every operator's own: their profile, password, second factor and sessions.
OWN_ACCOUNT = Right(())

# --- outgoing mail. Who may change or delete something may see it.
SEE_RELAY = _see("mailrelay.view_relaysettings", "mailrelay.change_relaysettings")
CHANGE_RELAY = _change("mailrelay.change_relaysettings")
TEST_RELAY = _change("mailrelay.change_relaysettings")
INSTALL_LICENCE = _change("mailrelay.change_relaysettings")
SEE_QUEUE = _see("mailrelay.view_message", "mailrelay.change_message")
SEND = _send("mailrelay.add_message")
RETRY = _send("mailrelay.change_message")
DELETE_MESSAGES = Right(("mailrelay.delete_message",))
#: Only in the console, like deleting: the API never shows a body.
READ_MESSAGES = Right(("mailrelay.read_message",))
SEE_EXPECTED = _see("mailrelay.view_expectedreport", "mailrelay.change_expectedreport")
CHANGE_EXPECTED = _change("mailrelay.change_expectedreport")

# --- the mail server
SEE_SERVER = _see("mailboxes.view_stack", "mailboxes.change_stack")
CHANGE_SERVER = _change("mailboxes.change_stack")
#: The relay's messages are among them only for those who may see messages, too.
FIND_MAIL = _see("mailboxes.view_stack", "mailboxes.change_stack")

SEE_DOMAINS = _see("mailboxes.view_domain", "mailboxes.change_domain")
ADD_DOMAINS = _change("mailboxes.add_domain")
CHANGE_DOMAINS = _change("mailboxes.change_domain")
DELETE_DOMAINS = _change("mailboxes.delete_domain")
SEE_DNS = SEE_DOMAINS
CHANGE_DNS = CHANGE_DOMAINS

SEE_MAILBOXES = _see("mailboxes.view_mailbox", "mailboxes.change_mailbox")
ADD_MAILBOXES = _change("mailboxes.add_mailbox")
SEE_IMPORTS = _see("mailboxes.view_importjob", "mailboxes.add_mailbox")
CHANGE_MAILBOXES = _change("mailboxes.change_mailbox")
DELETE_MAILBOXES = _change("mailboxes.delete_mailbox")

SEE_ALIASES = _see("mailboxes.view_alias", "mailboxes.change_alias")
ADD_ALIASES = _change("mailboxes.add_alias")
CHANGE_ALIASES = _change("mailboxes.change_alias")
DELETE_ALIASES = _change("mailboxes.delete_alias")

SEE_AUDIT_LOG = _see("quazzar.view_auditentry")

# --- only in the console: no API key can create keys or operators.
SEE_KEYS = Right(("quazzar.view_apikey", "quazzar.change_apikey"))
ADD_KEYS = Right(("quazzar.add_apikey",))
REVOKE_KEYS = Right(("quazzar.change_apikey",))
MANAGE_OPERATORS = Right(("quazzar.manage_operator",))


def every() -> dict[str, Right]:
    """Name → right, in the order of this module."""
    return {name: value for name, value in globals().items() if isinstance(value, Right)}


def scopes_of(user: Any) -> list[str]:
    """Scopes that an API key of this user can use: some right of the user needs them."""
    return [scope for scope in SCOPES if any(right(user) for right in _needing(scope))]


def _needing(scope: str) -> Iterator[Right]:
    return (right for right in every().values() if right.scope == scope and right.permissions)
