"""Hints for what a server answers to login, sender, recipient and mail. The first rule that fits counts."""

from __future__ import annotations

import re

from mailrelay.diagnosis.rules import Rule

_AUTH = ("auth_rejected",)
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
        words="not verified.*identit|address is not verified|identities failed the check",
        vendors=("ses",),
    ),
    Rule(
        "The AWS user behind these SMTP credentials lacks the permission ses:SendRawEmail; add it in IAM, "
        "or create new SMTP credentials in SES.",
        words="not authorized to perform",
        vendors=("ses",),
    ),
    Rule(
        "SES wants SMTP credentials of its own (SES → SMTP settings → Create SMTP credentials), not an AWS "
        "access key or console login, and they hold in one region only: the host's is {region}.",
        kinds=_AUTH,
        codes=(530, 535),
        vendors=("ses",),
    ),
    # --- SendGrid
    Rule(
        "SendGrid's username is always the word apikey; what you typed is not it. The API key goes into "
        "password.",
        kinds=_AUTH,
        vendors=("sendgrid",),
        codes=(501, 534, 535, 550),
        when=lambda facts: facts.username != "apikey",
    ),
    Rule(
        "The SendGrid account has used up its credits or is not active: see Billing there.",
        words="maximum credits exceeded",
    ),
    Rule(
        "Type the API key again (it begins with SG. and is shown only once), and check that it has the Mail "
        "Send permission and was not deleted.",
        kinds=_AUTH,
        codes=(535, 550),
        vendors=("sendgrid",),
    ),
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
    Rule(
        "Postmark's username and password are the same: the Server API token (not the account's). Type it "
        "into both.",
        kinds=_AUTH,
        codes=(535, 550),
        vendors=("postmark",),
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
        "Use the SMTP user of the sending domain (postmaster@…) and its password, not an API key. Domains "
        "in the other region have another host: {other_mailgun}.",
        kinds=_AUTH,
        codes=(535,),
        vendors=("mailgun",),
    ),
    # --- Gmail, Microsoft 365
    Rule(
        "Google wants an app password here: turn on 2-step verification, make one at "
        "myaccount.google.com/apppasswords, and type it in place of the account's password.",
        words=_status("5.7.9") + "|application-specific password|p=badcredentials|p=invalidsecondfactor",
        vendors=("gmail",),
    ),
    Rule(
        "SMTP AUTH is off for this Microsoft 365 tenant or mailbox: an administrator can turn on "
        "Authenticated SMTP for the mailbox, where the tenant still allows it. If not, use another relay.",
        words="smtpclientauthentication is disabled|basic authentication is disabled|" + _status("5.7.139"),
    ),
    Rule(
        "This mailbox may not send as that from address: use the mailbox's own address, or grant it Send As.",
        words="sendasdenied|" + _status("5.7.60"),
    ),
)

_LOGIN: tuple[Rule, ...] = (
    Rule(
        "The server wants OAuth, which a relay password cannot give: make an app password, or use another "
        "relay.",
        kinds=("auth_not_offered",),
        words="xoauth2|oauthbearer",
    ),
    Rule(
        "Most servers offer the login only inside TLS: choose STARTTLS (587) or Implicit TLS (465).",
        kinds=("auth_not_offered",),
        when=lambda facts: facts.security == "none",
    ),
    Rule(
        "Port 25 is for mail between servers and often has no login: use 587 with STARTTLS.",
        kinds=("auth_not_offered",),
        when=lambda facts: facts.port == 25,
    ),
    Rule(
        "If the server takes mail without a login, leave the username empty; otherwise use its submission "
        "port (587 or 465).",
        kinds=("auth_not_offered",),
    ),
    Rule(
        "The server keeps these ways to sign in for encrypted connections: choose STARTTLS (587) or Implicit "
        "TLS (465).",
        kinds=("auth_mechanism",),
        when=lambda facts: facts.security == "none",
    ),
    Rule(
        "The server refuses the way to sign in, so nobody has looked at the password. If the server is your "
        "own, turn on PLAIN or LOGIN for this account; if not, see whether the provider allows SMTP with a "
        "password.",
        kinds=("auth_mechanism",),
    ),
    Rule(
        "Choose STARTTLS as security: the server wants TLS first.",
        words="must issue a? ?starttls|starttls (is )?required",
    ),
    Rule("The server lets passwords through TLS only: choose STARTTLS or Implicit TLS.", codes=(538,)),
    Rule(
        "Too many logins: wait some minutes. If it goes on, something else uses the same account.",
        kinds=_AUTH,
        words="too many (login|auth|failed)|authenticates? too many",
    ),
    Rule(
        "The server could not check the password just now. "
        + _RETRIED
        + "If it goes on, see the server's status.",
        kinds=_AUTH,
        when=lambda facts: facts.code is not None and 400 <= facts.code < 500,
    ),
    Rule(
        "Type username and password again. Many servers want the whole mail address as the username, or a "
        "password made for applications.",
        kinds=_AUTH,
    ),
    Rule(
        "The server wants a login: type username and password.",
        words=(
            "authentication (is )?required|auth(entication)? (needed|first)|"
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
        "The server allows this node fewer connections at once. " + _RETRIED,
        words=(
            "too many (concurrent |simultaneous )?(smtp )?(connections|sessions)|connection rate|"
            "frequent connects"
        ),
    ),
    Rule(
        "{relay} limits how much this account may send in a second or a day. "
        + _RETRIED
        + "Ask for a higher limit if that happens often.",
        words=(
            "throttl|rate.?limit|sending (rate|limit)|too many (messages|e?mails)|message quota|"
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
        words="hel?o command rejected|invalid helo|need fully-qualified hostname|ehlo.*(invalid|argument)",
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
    ),
    Rule(
        "Set a from address that this login may use; many relays want it verified, or to be the login's own.",
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
        "The server's words above say why; its documentation or log says more.", kinds=("rejected", "closed")
    ),
)

RULES: tuple[Rule, ...] = (*_PROVIDERS, *_LOGIN, *_LIMITS, *_POLICY, *_BY_STAGE)
