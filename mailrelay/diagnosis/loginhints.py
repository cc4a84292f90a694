"""Hints for what a server answers to AUTH. The first rule that fits counts, so words come before codes.

Only a refusal after which somebody has looked at the password may ask to type it again (``Facts.password_refused``).
"""

from __future__ import annotations

from mailrelay.diagnosis.rules import Rule

_AUTH = ("auth_rejected",)
_RETRIED = "Queued mail is tried again by itself. "

#: What the words say, whatever the code and the server.
_WORDS: tuple[Rule, ...] = (
    Rule(
        "SMTP AUTH is off for this Microsoft 365 tenant or mailbox: an administrator can turn on "
        "Authenticated SMTP for the mailbox, where the tenant still allows it. If not, use another relay.",
        words="smtpclientauthentication is disabled|basic authentication is (disabled|not supported)",
    ),
    Rule(
        "A policy of this Microsoft 365 tenant (security defaults, Conditional Access) lets nobody in with a "
        "password alone: an administrator can exempt this mailbox. If not, use another relay.",
        words="did not meet the criteria to be authenticated|security defaults policy|conditional access",
    ),
    Rule(
        "Microsoft did not accept this username and password. The username is the whole mail address; with "
        "multi-factor authentication the password is an app password.",
        words="user credentials were incorrect",
    ),
    Rule(
        "Google wants to see a person: sign in to this account in a browser, confirm what it asks, and then "
        "test again. With 2-step verification, use an app password (myaccount.google.com/apppasswords).",
        words="log in (with|via) your web browser|webloginrequired",
    ),
    Rule(
        "Google wants an app password here: turn on 2-step verification, make one at "
        "myaccount.google.com/apppasswords, and type it in place of the account's password.",
        words=r"p=badcredentials|p=invalidsecondfactor|google\.com.*application-specific|application-specific.*google",
    ),
    Rule(
        "The provider wants a password made for this relay: make one in the account's security settings (app "
        "password, authorization code, token), and type it in place of the account's password.",
        words=(
            "(app|application)[- ](specific )?password|app-specific|authori[sz]ation code|授权码|"
            "two-?factor|2fa|second factor|multi-?factor|oauth.*required"
        ),
        stages=("auth",),
    ),
    Rule(
        "The password has expired: set a new one at the provider, and type that one here.",
        words="password (has |is )?expired|expired password|change (your|the) password",
        stages=("auth",),
    ),
    Rule(
        "Too many logins: wait some minutes. If it goes on, something else uses the same account.",
        words="too many|authenticates? too|excessive (login|auth)|login rate|rate ?limit",
        stages=("auth",),
    ),
    Rule(
        "The SendGrid account has used up its credits or is not active: see Billing there.",
        words="maximum credits exceeded",
    ),
    Rule(
        "The provider lets this login in only from addresses that it knows: add this node's public address to "
        "the allowed ones there.",
        words=r"unauthori[sz]ed ip|\bip\b.*(not (allowed|authori[sz]ed)|denied)",
        stages=("auth",),
    ),
    Rule(
        "The account is locked, suspended or not active yet. Sign in at the provider and see what it asks for; "
        "a new password does not help, and further logins can prolong a lock.",
        words=(
            r"(account|user|mailbox|login|domain)\b.{0,40}\b(locked|blocked|suspended|disabled|deactivated|inactive|"
            "closed|not (yet )?(active|activated|enabled))|(locked|suspended|disabled|blocked) (account|user)|"
            "activate your (smtp )?account"
        ),
        stages=("auth",),
    ),
    Rule(
        "This account may not send by SMTP yet: turn on access for mail programs (SMTP, often together with POP3 and "
        "IMAP) in the provider's settings, or ask whether its plan has it.",
        words=(
            "(smtp|imap|pop3?).{0,40}(not (enabled|activated|allowed|permitted)|disabled)|user has no permission|"
            "access rights to this service|not authori[sz]ed to use (smtp|this service)|"
            "service is not (enabled|available)"
        ),
        stages=("auth",),
    ),
    Rule(
        "Choose STARTTLS as security: the server wants TLS first.",
        words="must issue a? ?starttls|starttls (is )?required|starttls first",
    ),
    Rule(
        "Choose STARTTLS as security: the server wants TLS first.",
        words="(encryption|tls|ssl) (is )?required|requires? (tls|ssl|encryption)",
        when=lambda facts: facts.security == "none" and facts.kind != "auth_mechanism",
    ),
    Rule(
        "The server takes no login on this port, or only inside TLS: use 587 with STARTTLS, or 465 with Implicit TLS.",
        words="authentication not enabled|auth(entication)? (command )?(used when )?not (advertised|available|allowed)",
        stages=("auth",),
    ),
    Rule(
        "The server could not check the password just now. "
        + _RETRIED
        + "If it goes on, see the server's status.",
        words="connection lost|internal (server )?error|temporar|try again later|backend",
        stages=("auth",),
        kinds=_AUTH,
    ),
)

#: What a login needs at one provider.
_PROVIDERS: tuple[Rule, ...] = (
    Rule(
        "SES wants SMTP credentials of its own (SES → SMTP settings → Create SMTP credentials), not an AWS "
        "access key or console login, and they hold in one region only: the host's is {region}.",
        kinds=_AUTH,
        codes=(530, 535),
        vendors=("ses",),
    ),
    Rule(
        "SendGrid's username is always the word apikey; what you typed is not it. The API key goes into "
        "password.",
        kinds=_AUTH,
        vendors=("sendgrid",),
        codes=(501, 534, 535, 550),
        when=lambda facts: facts.username != "apikey",
    ),
    Rule(
        "Type the API key again (it begins with SG. and is shown only once), and check that it has the Mail "
        "Send permission and was not deleted.",
        kinds=_AUTH,
        codes=(535, 550),
        vendors=("sendgrid",),
    ),
    Rule(
        "Postmark's username and password are the same: the Server API token (not the account's). Type it "
        "into both.",
        kinds=_AUTH,
        codes=(535, 550),
        vendors=("postmark",),
    ),
    Rule(
        "Use the SMTP user of the sending domain (postmaster@…) and its password, not an API key. Domains "
        "in the other region have another host: {other_mailgun}.",
        kinds=_AUTH,
        codes=(535,),
        vendors=("mailgun",),
    ),
    Rule(
        "Google wants an app password here: turn on 2-step verification, make one at "
        "myaccount.google.com/apppasswords, and type it in place of the account's password.",
        kinds=_AUTH,
        codes=(534, 535),
        vendors=("gmail",),
    ),
    Rule(
        "Microsoft says this to a wrong username or password, and where SMTP AUTH is off for the mailbox. The username "
        "is the whole mail address; an administrator can turn on Authenticated SMTP.",
        kinds=_AUTH,
        codes=(535,),
        words=r"5\.7\.3\b",
        vendors=("microsoft",),
    ),
    Rule(
        "{vendor} wants an app password here, not the account's own: make one in the account's security settings. The "
        "username is the whole mail address.",
        kinds=_AUTH,
        codes=(535,),
        vendors=("yahoo", "icloud", "fastmail"),
    ),
    Rule(
        "{vendor} wants the whole mail address as the username, and an app password if 2-factor authentication is on. "
        "Access for mail programs (SMTP, POP3, IMAP) must be turned on in the mailbox's settings.",
        kinds=_AUTH,
        codes=(535,),
        vendors=("gmx", "zoho", "yandex"),
    ),
    Rule(
        "{vendor} wants the whole mail address of a mailbox as the username and that mailbox's password, not the "
        "customer account's.",
        kinds=_AUTH,
        codes=(535,),
        vendors=("ovh", "ionos", "strato"),
    ),
)

_ANY: tuple[Rule, ...] = (
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
        "SMTP AUTH is off for this Microsoft 365 mailbox or tenant: an administrator can turn on Authenticated SMTP.",
        kinds=("auth_mechanism",),
        vendors=("microsoft",),
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
    Rule("The server lets passwords through TLS only: choose STARTTLS or Implicit TLS.", codes=(538,)),
    Rule(
        "The server could not check the password just now. "
        + _RETRIED
        + "If it goes on, see the server's status.",
        kinds=_AUTH,
        when=lambda facts: not facts.permanent,
    ),
    Rule(
        "Type username and password again. Many servers want the whole mail address as the username, or a "
        "password made for applications.",
        kinds=_AUTH,
        when=lambda facts: facts.password_refused,
    ),
    Rule(
        "The server refuses the login; its words above say why. Nothing says that the password is wrong.",
        kinds=_AUTH,
    ),
    Rule(
        "The server hung up during the login; its words above say why. Wait some minutes before you test again.",
        kinds=("closed",),
        stages=("auth",),
        when=lambda facts: facts.permanent,
    ),
)

RULES: tuple[Rule, ...] = (*_WORDS, *_PROVIDERS, *_ANY)
