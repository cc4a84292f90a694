"""What a report says became of a mail, for one recipient; and whether the address or only this mail failed. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quazzar import words

#: The most characters of a server's words that are kept.
LONGEST = 500
DELIVERED, DELAYED, BOUNCED, COMPLAINED = "delivered", "delayed", "bounced", "complained"

#: An address, in brackets or in the middle of a text.
ADDRESS = re.compile(
    r"(?:\"[^\"\s]{1,64}\"|[^\s<>\"'(),:;\[\]\\@=*]{1,64})@[^\s<>\"'(),:;\[\]\\@/!?=*&|]{1,253}"
)

#: RFC 3463, not part of an IP address or a version.
_ENHANCED = re.compile(r"(?<![\d.\w/-])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
#: A reply code (RFC 5321 §4.2) in front of words.
_REPLY = re.compile(
    r"(?<![\w.:/#-])([245][0-5]\d)(?:[ :-]+(?:[#(]?([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)|[<A-Za-z\"'(#*])|$)",
    re.MULTILINE,
)

#: Status codes that are about the address (RFC 3463 §3.2): no other mail to it would arrive.
_ABOUT_ADDRESS = re.compile(r"5\.1\.(?:[1236]|10)$")
#: The mailbox is switched off (§3.3).
_SWITCHED_OFF = "5.2.1"
_UNKNOWN = re.compile(
    r"user (?:is )?(?:unknown|not (?:known|found|exist|active))"
    r"|unknown (?:\w+ )?(?:user|recipient|mailbox|address|account)"
    r"|no such (?:user|mailbox|recipient|address|person|account|domain|\S+ here)"
    r"|(?:user|recipient|mailbox|address|account|email|name)\S* (?:\S+ ){0,6}?"
    r"(?:does ?n.?t|does not|do not|did not|not) (?:exist|found|known)"
    r"|invalid (?:\w+ ){0,2}(?:recipient|mailbox|address|user)|(?:recipient|mailbox|address) invalid"
    r"|mailbox (?:is )?(?:unavailable|disabled|inactive|not present)|bad (?:destination )?(?:recipient|mailbox|address)"
    r"|no (?:mail ?box|account|person|\w+ user) (?:here )?(?:by|with|at|of|for) (?:that|this)"
    r"|recipient (?:unknown|not found|not ok)"
    r"|(?:not|isn.t) (?:a )?(?:known|valid) (?:user|mailbox|recipient|address)"
    r"|address (?:unknown|rejected: (?:unknown|invalid|undeliver))"
    r"|(?:recipient|address)\S* (?:name )?(?:is|was|were) not (?:recogni[sz]ed|found|known)|RecipNotFound"
    r"|unrout(?:e)?able (?:mail )?(?:domain|address)"
    r"|not listed in (?:the )?(?:domino|public|address)"
    r"|no longer (?:accepts mail|available|valid|exists|works|in use|active)"
    r"|(?:account|mailbox|user|address)\S* (?:has been |is |was )?"
    r"(?:closed|deleted|disabled|deactivated|terminated|suspended|discontinued|moved)"
    r"|(?:host|domain)\S* (?:or domain )?(?:name )?(?:unknown|not found|does not exist|doesn.t exist)"
    r"|unknown (?:host|domain)|host unknown"
    r"|domain (?:name )?(?:does|has) (?:not|no) (?:exist|mx|accept)"
    r"|non-?existent (?:domain|user|mailbox|recipient)|NonExistentDomain"
    r"|could(?: not|n.t) (?:be found|find any host)|badrcptto|recipient is not local"
    r"|doesn.t have an? \S+ account|nullmx"
    r"|does not accept mail|not a local address|directory search .{0,40}fail|may not exist"
    r"|find a mail exchanger|(?:illegal|invalid) (?:host|domain)"
    r"|no mx record found|indicated no SMTP service|recipient address rejected(?:: access denied|\.?\s*$)"
    r"|5\.1\.0 address rejected",
    re.IGNORECASE,
)
#: About this mail, its sender or the moment. These win where both are said.
_FOR_NOW = re.compile(
    r"insufficient (?:disk|storage|system)|not enough (?:disk|space)|receiving mail at a rate|spam|spf"
    r"|dkim|dmarc|blocked|blacklist|block list|blocklist|dnsbl|\brbl\b|spamhaus|policy|reputation"
    r"|unsolicited|virus|malware"
    r"|relay(?:ing)? (?:access )?(?:denied|not|prohibited)|not permitted to relay|unable to relay"
    r"|authenticat|too (?:large|big|many)|size (?:limit|exceed)|exceeds? .{0,40}(?:size|limit)"
    r"|timed? ?out|connection (?:refused|reset|timed)|greylist|try again(?: later| in|\s*$)|temporar"
    r"|rate limit|expired|too long in|queue too long"
    r"|sender (?:address )?(?:rejected|denied|verif|unknown)|loop|hop count|too many hops"
    r"|content (?:reject|filter)|reverse dns|\bptr\b|helo",
    re.IGNORECASE,
)


_FULL = re.compile(
    r"quota|mail ?box\S* (?:is |was )?(?:over|full|exceeded|too full)|full mailbox", re.IGNORECASE
)
#: About the sender's address (RFC 3463 §3.2), the mailbox's room, the mail, or a rule (§3.8).
_NOT_ADDRESS = ("5.1.7", "5.1.8", "5.2.2", "5.2.3", "5.3.4", "5.6")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mail for one recipient.

    Attributes:
        recipient: the address in lower case; empty if the report does not name one.
        kind: delivered, delayed, bounced or complained.
        hard: of a bounce: the address cannot receive mail, so that the next mail to it would bounce, too.
        status: the enhanced code (RFC 3463), such as 5.1.1; empty if there is none.
        code: the reply code of SMTP; None if there is none.
        said: the words of the server that decided.
        host: that server; empty if it is not known.
    """

    recipient: str
    kind: str
    hard: bool = False
    status: str = ""
    code: int | None = None
    said: str = ""
    host: str = ""


def bounced(recipient: str, said: str, *, status: str = "", host: str = "", kind: str = BOUNCED) -> Outcome:
    """The outcome that a server's words mean; ``status`` is what the report gives beside them."""
    said = words.one_line(said, LONGEST)
    reply = _REPLY.search(said)
    code = int(reply[1]) if reply else None
    # What the server itself said beside its reply is more exact than what the report makes of it, often 5.0.0.
    if reply and reply[2]:
        status = reply[2]
    elif not status and (written := _ENHANCED.search(said)):
        status = written[1]
    hard = kind == BOUNCED and is_hard(status, code, said)
    return Outcome(address(recipient), kind, hard, status, code, said, host)


def is_hard(status: str, code: int | None, said: str) -> bool:
    """Whether the address itself cannot receive mail; not a full mailbox, a blocked sender, a server that was
    away."""
    if status.startswith("4") or (not status and code is not None and code < 500):
        return False
    if status.startswith(_NOT_ADDRESS) or _FULL.search(said):
        return False
    if _ABOUT_ADDRESS.match(status):
        return True
    if _FOR_NOW.search(said):
        return False
    return status == _SWITCHED_OFF or bool(_UNKNOWN.search(said))


def address(text: str) -> str:
    """The address in a text such as ``<Anna@Example.COM>``, in lower case; empty if there is none."""
    found = ADDRESS.search(text)
    return found[0].lower().rstrip(".") if found else ""
