"""Hints for what a server answers to login, sender, recipient and mail. The first rule that fits counts."""

from __future__ import annotations

import re

from mailrelay.diagnosis import loginhints
from mailrelay.diagnosis.rules import Rule

SUBMISSION_PORTS = (465, 587, 2465, 2525, 2587)
_RETRIED = "Queued mail is tried again by itself. "


def _status(*codes: str) -> str:
    """A pattern for enhanced status codes (RFC 3463) that does not match inside an IP address."""
    return rf"(?<![\d.])({'|'.join(map(re.escape, codes))})(?![\d.]*\d)"


_PROVIDERS: tuple[Rule, ...] = (
    # --- AWS SES
    Rule(
        "Verify the addresses or domains named above in SES, in the region of the host ({region}): an "
        "identity holds in one region only. While the account is in the sandbox, recipients must be "
        "verified too; ask for production access to leave it.",
        words="address is not verified|identities failed the check",
        when=lambda facts: facts.vendor == "ses" or "failed the check in region" in facts.text,
    ),
    Rule(
        "The AWS user behind these SMTP credentials lacks the permission ses:SendRawEmail; add it in IAM, "
        "or create new SMTP credentials in SES.",
        words="not authorized to perform",
        vendors=("ses",),
    ),
    # --- SendGrid
    Rule(
        "Verify the from address in SendGrid (Settings → Sender Authentication), or set a from address that "
        "is verified there.",
        words="verified sender identity|not authorized to send from that",
    ),
    # --- Postmark
    Rule(
        "A new Postmark account may send only to its own domain until Postmark has approved it: send the "
        "test to such an address, or ask for approval there.",
        words="pending approval",
    ),
    Rule(
        "Confirm the from address (or its domain) under Sender Signatures in Postmark, or set a from "
        "address that is confirmed there.",
        words="sender signature",
    ),
    Rule(
        "Postmark has deactivated this recipient after a bounce or a complaint. If the address is right, "
        "reactivate it under Suppressions there.",
        words="marked as inactive|inactive recipient|inactive address",
    ),
    # --- Mailgun
    Rule(
        "A Mailgun sandbox domain or free account sends only to authorized recipients: add the address "
        "there, or use a domain of your own.",
        words="authorized recipients|sandbox subdomains|free accounts are for test",
    ),
    Rule(
        "Activate the Mailgun account: the link is in the mail from Mailgun.",
        words="activate your mailgun account",
    ),
    Rule(
        "Mailgun does not let this domain send: check that its DNS records are verified and the account is "
        "active.",
        words="is not allowed to send",
    ),
    Rule(
        "SES has paused this account's sending: see the account dashboard there.",
        words="sending (paused|is paused|suspended)|sending has been paused",
    ),
    # --- Google, Microsoft 365
    Rule(
        "Google hangs up on the name that this node gives itself, or on its address: give the node a full host name "
        "(such as node.example.com) that its address resolves to, then wait some minutes.",
        words=r"\(ehlo\).*gsmtp",
    ),
    Rule(
        "Add this node's public address to the SMTP relay service in Google's admin console, or sign in with a user of "
        "that domain.",
        words="invalid credentials for relay",
    ),
    Rule(
        "Microsoft 365 has stopped this mailbox or tenant from sending, because it sent spam or looked like it: an "
        "administrator can see why, and lift that, under Restricted entities in the Defender portal.",
        words="bad outbound sender|" + _status("5.7.501", "5.7.502", "5.7.503", "5.7.705", "5.7.750"),
    ),
    Rule(
        "Microsoft 365 takes no mail from this node's address: send through another relay, or see why the address is "
        "blocked.",
        words="traffic not accepted from this ip|" + _status("5.7.708"),
    ),
    Rule(
        "Microsoft 365 wants a login: type username and password.",
        words="client was not authenticated|" + _status("5.7.57"),
        when=lambda facts: not facts.username,
    ),
    Rule(
        "This mailbox may not send as that from address: use the mailbox's own address, or grant it Send As.",
        words="sendasdenied|" + _status("5.7.60"),
    ),
)

_LOGIN: tuple[Rule, ...] = (
    Rule(
        "The server wants a login: type username and password.",
        words=(
            "authentication (is )?required|auth(entication)? (needed|first)|must authenticate|log ?in first|"
            "unauthenticated senders not allowed"
        ),
    ),
    Rule(
        "The server wants a login: type username and password.",
        codes=(530,),
        stages=("sender", "recipient", "data"),
    ),
)

_LIMITS: tuple[Rule, ...] = (
    Rule(
        "The mail is larger than the server takes: send less at once, or put the file elsewhere and send a "
        "link.",
        words=_status("5.3.4", "5.2.3")
        + "|too (large|big)|size (limit|exceed)|exceeds .*size|[kmg]?i?b at most",
    ),
    Rule(
        "The recipient's mailbox is full; its owner must delete mail first.",
        words=_status("4.2.2", "5.2.2") + "|over ?quota|mailbox (is )?full|exceeded .*storage",
    ),
    Rule(
        "The server takes fewer recipients, even one by one: it probably limits how many this account may write to "
        "in an hour or a day. " + _RETRIED,
        words=_status("4.5.3", "5.5.3") + "|too many recipients|recipients? (count|limit)|recipients exceed",
    ),
    Rule(
        "The server allows this node fewer connections at once. " + _RETRIED,
        words=(
            "too many (concurrent |simultaneous )?(smtp )?(connections|sessions)|connection rate|"
            "frequent connects|thread limit exceeded|concurrent connections? limit"
        ),
    ),
    Rule(
        "{relay} limits how much this account may send in a second or a day. "
        + _RETRIED
        + "Ask for a higher limit if that happens often.",
        words=(
            "throttl|rate.?limit|messaging limits?|exceeded your|sending (rate|limit)|"
            "too many (messages|e?mails)|message quota|"
            "limit exceeded|daily (user )?(sending|message)|submissionquota|" + _status("5.4.5")
        ),
    ),
    Rule(
        "The server is short of space. " + _RETRIED,
        words=_status("4.3.1") + "|insufficient (system )?(storage|resources)",
    ),
    Rule(
        "The server asks unknown senders to come again later (greylisting). "
        + _RETRIED
        + "It passes within minutes.",
        words="gr[ae]y.?list|postgrey",
    ),
)

_POLICY: tuple[Rule, ...] = (
    Rule(
        "Set a from address that this login may use: the server does not let it send as this one. Many "
        "providers want the login's own address, or one that is verified there.",
        words=(
            "not owned by user|relaying disallowed as|sender address (is )?not allowed|"
            "not (allowed|permitted|authori[sz]ed) to send (as|from|on behalf)|"
            "from address.{0,40}not (verified|allowed|authori[sz]ed)|unconfigured sending domain|"
            "sender.{0,30}not (verified|validated|confirmed|authori[sz]ed)|invalid mail from address|"
            "domain.{0,40}(unverified|not verified)|sender address rejected: (not|access)"
        ),
    ),
    Rule(
        "The provider has stopped this account from sending: sign in there and see what it asks for.",
        words=(
            r"(account|user)\b.{0,40}\b(suspended|disabled|blocked|deactivated|inactive|"
            "not (yet )?(active|activated|enabled))|"
            "unusual sending activity|activate your (smtp )?account"
        ),
    ),
    Rule(
        "The server wants this node's address to have a name in reverse DNS that leads back to it: ask the provider "
        "of the address to set one, or send through a mail provider.",
        words=r"cannot find your (reverse )?host ?name|reverse dns|\bptr\b|reverse (dns )?lookup",
    ),
    Rule(
        "This node's address, or the relay's, is on a blocklist. Home and cloud addresses often are: send "
        "through a provider, or ask the list named above for removal.",
        words=r"spamhaus|spamcop|barracuda|blocked using|(block|black) ?list|dnsbl|\brbl\b|poor reputation",
    ),
    Rule(
        "The sender's domain did not pass its checks: publish SPF, DKIM and DMARC for the from address's "
        "domain as {relay} asks for, and wait until they are seen (up to 24 h).",
        words=_status("5.7.20", "5.7.21", "5.7.22", "5.7.23", "5.7.25", "5.7.26")
        + r"|dmarc|\bspf\b|\bdkim\b|sender is unauthenticated",
    ),
    Rule(
        "The server does not relay mail from this node: enter the username and password that it expects, or "
        "configure it to accept this node's address.",
        words=(
            "relay(ing)? (access )?(is )?(denied|not (permitted|allowed)|prohibited)|unable to relay|"
            "not permitted to relay|we do not relay"
        ),
    ),
    Rule(
        "The domain of the from address does not exist in DNS, or takes no mail: set a from address of a "
        "domain of yours.",
        words="sender address rejected: domain not found|sender domain|domain of sender",
    ),
    Rule(
        "The server does not accept the name that this node gives itself: give the node a full host name "
        "(such as node.example.com).",
        words=(
            "hel?o command rejected|invalid (helo|domain name)|need fully-qualified hostname|"
            "ehlo.*(invalid|argument)"
        ),
    ),
    Rule(
        "The content looked like spam to the server. Send plain text from an address of a domain with SPF "
        "and DKIM; the server's words above may name the reason.",
        words=r"spam|junk|content (rejected|denied)|message content|suspicious|virus",
    ),
    Rule(
        "There is no such mailbox: check the recipient's address for a typing error.",
        words=(
            _status("5.1.1", "5.1.10")
            + "|user unknown|unknown user|no such (user|mailbox|recipient)|does not exist|"
            "mailbox unavailable|invalid recipient|recipient not found|unknown recipient|unrouteable"
        ),
        stages=("recipient", "data"),
    ),
    Rule(
        "The recipient's domain does not exist or takes no mail: check the part after the @.",
        words=_status("5.1.2")
        + "|domain not found|host (or domain )?(name )?not found|no such domain|bad destination",
        stages=("recipient", "data"),
    ),
)

_BY_STAGE: tuple[Rule, ...] = (
    Rule(
        "The server does not take this kind of file or content: put the file elsewhere and send a link.",
        words="content presents a potential security|attachment (type )?.{0,20}(not allowed|blocked|rejected)",
    ),
    Rule(
        "The server has blocked this node's address, perhaps after failed logins (fail2ban). If the server is "
        "your own, lift that there; if not, wait, or ask its operator.",
        words=r"\b(ip|address|host|client)\b.{0,30}\b(is |was |been )?(blocked|banned|locked out)",
        stages=("connect",),
    ),
    Rule(
        "The server does not let this node in: it refuses the node's address, or the name that the node gives "
        "itself. If the server is your own, allow this node there; if not, use the submission port, 587 or 465, "
        "of your relay.",
        stages=("connect",),
        words=(
            "access denied|client host rejected|not allowed to connect|"
            "(your|client).{0,20}(ip|address).{0,30}(denied|rejected)"
        ),
        when=lambda facts: facts.permanent,
    ),
    Rule(
        "The server offers STARTTLS and then cannot begin it; often its certificate is missing or has expired. "
        "Test again in some minutes; if the server is your own, see its log.",
        stages=("tls",),
        kinds=("rejected",),
    ),
    Rule(
        "The server is busy or closing. " + _RETRIED + "If it goes on, see the server's status page or log.",
        codes=(421,),
    ),
    Rule(
        "The server calls this temporary. " + _RETRIED + "If it goes on for hours, its words above say why.",
        when=lambda facts: facts.code is not None and 400 <= facts.code < 500 and facts.code != 403,
    ),
    Rule(
        "The server takes no mail from this node on port {port}: use the submission port, 587 or 465, of "
        "your relay.",
        stages=("connect",),
        kinds=("rejected",),
        when=lambda facts: facts.port not in SUBMISSION_PORTS,
    ),
    Rule(
        "The server turns this node away before any login; its words above say why. If the server is your own, see its "
        "log; if not, ask its operator or the provider.",
        stages=("connect",),
        kinds=("rejected", "closed"),
    ),
    Rule(
        "The server's words above say why. If they are about the from address: set a from address that this login may "
        "use; many relays want it verified, or to be the login's own.",
        stages=("sender",),
    ),
    Rule(
        "Check the recipient's address. If it is right, the server's words above say why it was refused.",
        stages=("recipient",),
    ),
    Rule(
        "The server's words above say why. Often the from address is not one that this login may use, or "
        "the account is not yet approved.",
        stages=("data",),
    ),
    Rule(
        "The server's words above say why; its documentation or log says more.",
        kinds=("rejected", "closed", "too_many_recipients"),
    ),
)

RULES: tuple[Rule, ...] = (*_PROVIDERS, *loginhints.RULES, *_LOGIN, *_LIMITS, *_POLICY, *_BY_STAGE)
