"""Hints for what a server answers to login, sender, recipient and mail. The first rule that fits counts."""

from __future__ import annotations

import re

from mailrelay.diagnosis import loginhints
from mailrelay.diagnosis.rules import Rule

SUBMISSION_PORTS = (465, 587, 2465, 2525, 2587)
#: Of mail in the queue.
RETRIED = "Queued mail is retried automatically. "


def _status(*codes: str) -> str:
    """A pattern for enhanced status codes (RFC 3463) that does not match inside an IP address."""
    return rf"(?<![\d.])({'|'.join(map(re.escape, codes))})(?![\d.]*\d)"


_PROVIDERS: tuple[Rule, ...] = (
    # --- Amazon SES
    Rule(
        "Verify the addresses or domains named above in SES, in the region of the host ({region}): an "
        "identity is only valid in one region. While the account is in the sandbox, recipients must be "
        "verified too; ask for production access to leave it.",
        words="address is not verified|identities failed the check",
        when=lambda facts: facts.vendor == "ses" or "failed the check in region" in facts.text,
    ),
    Rule(
        "The AWS user behind these SMTP credentials lacks the permission ses:SendRawEmail; add the "
        "permission in IAM, or create new SMTP credentials in SES.",
        words="not authorized to perform",
        vendors=("ses",),
    ),
    # --- SendGrid
    Rule(
        "Verify the from address in SendGrid (Settings → Sender Authentication), or use a from address "
        "that is verified there.",
        words="verified sender identity|not authorized to send from that",
    ),
    # --- Postmark
    Rule(
        "Until Postmark approves a new account, it may only send to its own domain. Send the test to an "
        "address there, or ask Postmark for approval.",
        words="pending approval",
    ),
    Rule(
        "Confirm the from address (or its domain) under Sender Signatures in Postmark, or use a from "
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
        "A Mailgun sandbox domain or free account only sends to authorized recipients. Add the address "
        "there, or use your own domain.",
        words="authorized recipients|sandbox subdomains|free accounts are for test",
    ),
    Rule(
        "Activate the Mailgun account: the link is in the mail from Mailgun.",
        words="activate your mailgun account",
    ),
    Rule(
        "Mailgun does not let this domain send. Check that its DNS records are verified and the account "
        "is active.",
        words="is not allowed to send",
    ),
    Rule(
        "SES has paused sending for this account. Check the account dashboard in SES.",
        words="sending (paused|is paused|suspended)|sending has been paused",
    ),
    # --- Google, Microsoft 365
    Rule(
        "Google hangs up because of this node's hostname or address. Give the node a full hostname (such "
        "as node.example.com) that its address resolves to, then wait a few minutes.",
        words=r"\(ehlo\).*gsmtp",
    ),
    Rule(
        "Add this node's public address to the SMTP relay service in Google's admin console, or sign in with a user of "
        "that domain.",
        words="invalid credentials for relay",
    ),
    Rule(
        "Microsoft 365 has stopped this mailbox or tenant from sending, because its mail was spam or "
        "looked like spam. An administrator can see why, and lift the restriction, under Restricted "
        "entities in the Defender portal.",
        words="bad outbound sender|" + _status("5.7.501", "5.7.502", "5.7.503", "5.7.705", "5.7.750"),
    ),
    Rule(
        "Microsoft 365 accepts no mail from this node's address. Send through another relay, or find out "
        "why the address is blocked.",
        words="traffic not accepted from this ip|" + _status("5.7.708"),
    ),
    Rule(
        "Microsoft 365 requires sign-in. Enter username and password.",
        words="client was not authenticated|" + _status("5.7.57"),
        when=lambda facts: not facts.username,
    ),
    Rule(
        "This mailbox may not send as that from address. Use the mailbox's own address, or grant it Send As.",
        words="sendasdenied|" + _status("5.7.60"),
    ),
)

_LOGIN: tuple[Rule, ...] = (
    Rule(
        "The server requires sign-in. Enter username and password.",
        words=(
            "authentication (is )?required|auth(entication)? (needed|first)|must authenticate|log ?in first|"
            "unauthenticated senders not allowed"
        ),
    ),
    Rule(
        "The server requires sign-in. Enter username and password.",
        codes=(530,),
        stages=("sender", "recipient", "data"),
    ),
)

_LIMITS: tuple[Rule, ...] = (
    Rule(
        "The mail is larger than the server allows. Send less at once, or upload the file elsewhere and "
        "send a link.",
        words=_status("5.3.4", "5.2.3")
        + "|too (large|big)|size (limit|exceed)|exceeds .*size|[kmg]?i?b at most",
    ),
    Rule(
        "The recipient's mailbox is full. Its owner must delete mail first.",
        words=_status("4.2.2", "5.2.2") + "|over ?quota|mailbox (is )?full|exceeded .*storage",
    ),
    Rule(
        "The server accepts fewer recipients, even one at a time. It probably limits how many recipients "
        "this account can have per hour or day. " + RETRIED,
        words=_status("4.5.3", "5.5.3") + "|too many recipients|recipients? (count|limit)|recipients exceed",
    ),
    Rule(
        "The server allows this node fewer simultaneous connections. " + RETRIED,
        words=(
            "too many (concurrent |simultaneous )?(smtp )?(connections|sessions)|connection rate|"
            "frequent connects|thread limit exceeded|concurrent connections? limit"
        ),
    ),
    Rule(
        "{relay} limits how much this account may send per second or per day. "
        + RETRIED
        + "If this happens often, ask for a higher limit.",
        words=(
            "throttl|rate.?limit|messaging limits?|exceeded your|sending (rate|limit)|"
            "too many (messages|e?mails)|message quota|"
            "limit exceeded|daily (user )?(sending|message)|submissionquota|" + _status("5.4.5")
        ),
    ),
    Rule(
        "The server is running out of space. " + RETRIED,
        words=_status("4.3.1") + "|insufficient (system )?(storage|resources)",
    ),
    Rule(
        "The server asks unknown senders to try again later (greylisting). "
        + RETRIED
        + "This usually takes a few minutes, sometimes hours.",
        words="gr[ae]y.?list|postgrey",
    ),
)

_POLICY: tuple[Rule, ...] = (
    Rule(
        "The server does not let this login send as this from address. Use one that it allows: many "
        "providers require the login's own address, or one that is verified there.",
        words=(
            "not owned by user|relaying disallowed as|sender address (is )?not allowed|"
            "not (allowed|permitted|authori[sz]ed) to send (as|from|on behalf)|"
            "from address.{0,40}not (verified|allowed|authori[sz]ed)|unconfigured sending domain|"
            "sender.{0,30}not (verified|validated|confirmed|authori[sz]ed)|invalid mail from address|"
            "domain.{0,40}(unverified|not verified)|sender address rejected: (not|access)"
        ),
    ),
    Rule(
        "The provider has stopped this account from sending. Sign in there and follow its instructions.",
        words=(
            r"(account|user)\b.{0,40}\b(suspended|disabled|blocked|deactivated|inactive|"
            "not (yet )?(active|activated|enabled))|"
            "unusual sending activity|activate your (smtp )?account"
        ),
    ),
    Rule(
        "The server requires a reverse DNS name for this node's address that resolves back to it. Ask the "
        "provider of the address to set one, or send through a mail provider.",
        words=r"cannot find your (reverse )?host ?name|reverse dns|\bptr\b|reverse (dns )?lookup",
    ),
    Rule(
        "This node's address, or the relay's, is on a blocklist. Home and cloud addresses often are. Send "
        "through a provider, or ask the blocklist named above to remove the address.",
        words=r"spamhaus|spamcop|barracuda|blocked using|(block|black) ?list|dnsbl|\brbl\b|poor reputation",
    ),
    Rule(
        "The sender's domain did not pass the server's checks. Publish SPF, DKIM and DMARC for the from "
        "address's domain as {relay} requires, and wait until they are visible (up to 24 hours).",
        words=_status("5.7.20", "5.7.21", "5.7.22", "5.7.23", "5.7.25", "5.7.26")
        + r"|dmarc|\bspf\b|\bdkim\b|sender is unauthenticated",
    ),
    Rule(
        "The server does not relay mail from this node. Enter the username and password that it expects, "
        "or configure it to accept this node's address.",
        words=(
            "relay(ing)? (access )?(is )?(denied|not (permitted|allowed)|prohibited)|unable to relay|"
            "not permitted to relay|we do not relay"
        ),
    ),
    Rule(
        "The domain of the from address does not exist in DNS, or accepts no mail. Use a from address in "
        "one of your domains.",
        words="sender address rejected: domain not found|sender domain|domain of sender",
    ),
    Rule(
        "The server does not accept this node's hostname. Give the node a full hostname (such as "
        "node.example.com).",
        words=(
            "hel?o command rejected|invalid (helo|domain name)|need fully-qualified hostname|"
            "ehlo.*(invalid|argument)"
        ),
    ),
    Rule(
        "The server considers the content spam. Send plain text from an address in a domain with SPF and "
        "DKIM. The server's answer above may name the reason.",
        words=r"spam|junk|content (rejected|denied)|message content|suspicious|virus",
    ),
    Rule(
        "This mailbox does not exist. Check the recipient's address for typing errors.",
        words=(
            _status("5.1.1", "5.1.10")
            + "|user unknown|unknown user|no such (user|mailbox|recipient)|does not exist|"
            "mailbox unavailable|invalid recipient|recipient not found|unknown recipient|unrouteable"
        ),
        stages=("recipient", "data"),
    ),
    Rule(
        "The recipient's domain does not exist or accepts no mail. Check the part after the @.",
        words=_status("5.1.2")
        + "|domain not found|host (or domain )?(name )?not found|no such domain|bad destination",
        stages=("recipient", "data"),
    ),
)

_BY_STAGE: tuple[Rule, ...] = (
    Rule(
        "The server does not accept this kind of file or content. Upload the file elsewhere and send a link.",
        words="content presents a potential security|attachment (type )?.{0,20}(not allowed|blocked|rejected)",
    ),
    Rule(
        "The server has blocked this node's address, perhaps after failed sign-ins (fail2ban). If it is "
        "your own server, remove the block there. Otherwise, wait or ask its operator.",
        words=r"\b(ip|address|host|client)\b.{0,30}\b(is |was |been )?(blocked|banned|locked out)",
        stages=("connect",),
    ),
    Rule(
        "The server does not let this node in: it refuses the node's address or hostname. If it is your "
        "own server, allow this node there. Otherwise, use your relay's submission port, 587 or 465.",
        stages=("connect",),
        words=(
            "access denied|client host rejected|not allowed to connect|"
            "(your|client).{0,20}(ip|address).{0,30}(denied|rejected)"
        ),
        when=lambda facts: facts.permanent,
    ),
    Rule(
        "The server offers STARTTLS but then cannot start it. Often its certificate is missing or has "
        "expired. Test again in a few minutes. If it is your own server, check its log.",
        stages=("tls",),
        kinds=("rejected",),
    ),
    Rule(
        "The server is busy or shutting down. "
        + RETRIED
        + "If this continues, check the server's status page or log.",
        codes=(421,),
    ),
    Rule(
        "The server says this is temporary. "
        + RETRIED
        + "If this continues for hours, read its answer above.",
        when=lambda facts: facts.code is not None and 400 <= facts.code < 500 and facts.code != 403,
    ),
    Rule(
        "The server accepts no mail from this node on port {port}. Use your relay's submission port, 587 "
        "or 465.",
        stages=("connect",),
        kinds=("rejected",),
        when=lambda facts: facts.port not in SUBMISSION_PORTS,
    ),
    Rule(
        "The server rejects this node before sign-in; its answer above says why. If it is your own "
        "server, check its log. Otherwise, ask its operator or the provider.",
        stages=("connect",),
        kinds=("rejected", "closed"),
    ),
    Rule(
        "The server's answer above says why. If it is about the from address, use one that this login may "
        "send as: many relays require a verified address, or the login's own.",
        stages=("sender",),
    ),
    Rule(
        "Check the recipient's address. If it is correct, the server's answer above says why it was refused.",
        stages=("recipient",),
    ),
    Rule(
        "The server's answer above says why. Often this login may not use the from address, or the "
        "account is not approved yet.",
        stages=("data",),
    ),
    Rule(
        "The server's answer above says why. Its documentation or log may say more.",
        kinds=("rejected", "closed", "too_many_recipients"),
    ),
)

_OURS = (
    Rule(
        "Once the mailbox works again, remove the address from the suppression list and retry.",
        kinds=("suppressed",),
    ),
)

RULES: tuple[Rule, ...] = (*_OURS, *_PROVIDERS, *loginhints.RULES, *_LOGIN, *_LIMITS, *_POLICY, *_BY_STAGE)
