"""The snapshot that the stack's files are rendered from: plain values, with secrets left out of their repr. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MailboxEntry:
    """A mailbox that is not deleted.

    Attributes:
        home: path below MAIL_ROOT.
        password_hash: as ``passwords.hash_password`` returns it; empty means that nobody can log in.
        quota_mb: MiB; 0 means no limit.
        enabled: its owner may log in.
        can_send: its owner may send mail.
        can_receive: it accepts mail.
        forward_to: other addresses that get its mail.
        keep_copy: it keeps the mail as well; without ``forward_to`` it always does.
    """

    address: str
    home: str
    password_hash: str = field(default="", repr=False)
    quota_mb: int = 0
    enabled: bool = True
    can_send: bool = True
    can_receive: bool = True
    forward_to: tuple[str, ...] = ()
    keep_copy: bool = True


@dataclass(frozen=True, slots=True)
class AliasEntry:
    """An alias that is enabled."""

    address: str
    destinations: tuple[str, ...]


#: In place of a key that cannot be opened. Rspamd cannot sign with it, and never lets the domain's mail out unsigned.
LOST = "lost"


@dataclass(frozen=True, slots=True)
class DomainEntry:
    """A mail domain with its DKIM keys, as PEM or as Rspamd reads them.

    Attributes:
        catch_all: address that receives what no mailbox and no alias accepts; empty means that such mail is refused.
        contact: address that receives mail for postmaster and abuse; empty means the operators.
        private_key: signs the domain's mail; empty means that there is none, and mail leaves unsigned. LOST means that
            nobody can open it, and the domain's mail is refused for the time being.
        ed25519_private_key: signs beside the other key; empty unless it does.
    """

    name: str
    catch_all: str = ""
    selector: str = "quazzar"
    private_key: str = field(default="", repr=False)
    ed25519_selector: str = ""
    ed25519_private_key: str = field(default="", repr=False)
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Smarthost:
    """The relay that takes the stack's outgoing mail.

    Attributes:
        security: starttls, tls or none.
        username: empty means that the relay asks for no login.
        authorities: certificates (PEM) of the authorities that may vouch for the relay; empty means those of Postfix's
            image.
    """

    host: str
    port: int
    security: str
    username: str = ""
    password: str = field(default="", repr=False)
    authorities: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the files are rendered from, at one generation.

    Attributes:
        hostname: the stack's; empty while none is chosen.
        operators: addresses of those who run this server. They get the mail that every mail server must accept.
        own: address of Quazzar's own mailbox, which is among the mailboxes and in the hostname's domain; empty: none.
        own_roles: addresses whose mail goes there; no mailbox and no alias has one of them.
        bounce_address: of them, the one to which bounces of this node's own relay mail go, if this mail server is the
            relay, and ``relay_login`` the mailbox as which it signs in; both empty otherwise.
    """

    generation: int = 0
    domains: tuple[DomainEntry, ...] = ()
    mailboxes: tuple[MailboxEntry, ...] = ()
    aliases: tuple[AliasEntry, ...] = ()
    smarthost: Smarthost | None = None
    hostname: str = ""
    operators: tuple[str, ...] = ()
    own: str = ""
    own_roles: tuple[str, ...] = ()
    bounce_address: str = ""
    relay_login: str = ""
