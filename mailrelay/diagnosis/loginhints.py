"""Hints for what a server answers to AUTH. The first rule that fits counts, so words come before codes.

Only a refusal that shows that the password was checked may suggest entering it again
(``Facts.password_refused``).
"""

from __future__ import annotations

from mailrelay.diagnosis.rules import Rule

_AUTH = ("auth_rejected",)
_RETRIED = "Queued mail is retried automatically. "

#: What the words say, whatever the code and the server.
_WORDS: tuple[Rule, ...] = (
    Rule(
        "SMTP AUTH is off for this Microsoft 365 tenant or mailbox. An administrator can turn on "
        "Authenticated SMTP for the mailbox if the tenant still allows it. Otherwise, use another relay.",
        words="smtpclientauthentication is disabled|basic authentication is (disabled|not supported)",
    ),
    Rule(
        "A policy of this Microsoft 365 tenant (security defaults, Conditional Access) does not allow "
        "sign-in with only a password. An administrator can exempt this mailbox. Otherwise, use another "
        "relay.",
        words="did not meet the criteria to be authenticated|security defaults policy|conditional access",
    ),
    Rule(
        "Microsoft did not accept this username and password. The username is the full mail address. With "
        "multi-factor authentication, the password is an app password.",
        words="user credentials were incorrect",
    ),
    Rule(
        "Google wants you to confirm the account: sign in to it in a browser, answer what it asks, and "
        "test again. With 2-step verification, use an app password (myaccount.google.com/apppasswords).",
        words="log in (with|via) your web browser|webloginrequired",
    ),
    Rule(
        "Google needs an app password here. Turn on 2-step verification, create one at "
        "myaccount.google.com/apppasswords, and enter it instead of the account's password.",
        words=r"p=badcredentials|p=invalidsecondfactor|google\.com.*application-specific|application-specific.*google",
    ),
    Rule(
        "The provider needs a separate password for SMTP. Create one in the account's security settings "
        "(app password, authorization code, token), and enter it instead of the account's password.",
        words=(
            "(app|application)[- ](specific )?password|app-specific|authori[sz]ation code|授权码|"
            "two-?factor|2fa|second factor|multi-?factor|oauth.*required"
        ),
        stages=("auth",),
    ),
    Rule(
        "The password has expired. Set a new one at the provider, and enter it here.",
        words="password (has |is )?expired|expired password|change (your|the) password",
        stages=("auth",),
    ),
    Rule(
        "Too many sign-ins. Wait a few minutes. If this continues, something else is using the same account.",
        words="too many|authenticates? too|excessive (login|auth)|login rate|rate ?limit",
        stages=("auth",),
    ),
    Rule(
        "The SendGrid account has used up its credits or is not active. Check Billing at SendGrid.",
        words="maximum credits exceeded",
    ),
    Rule(
        "The provider only accepts this login from known IP addresses. Add this node's public address to "
        "the allowed addresses there.",
        words=r"unauthori[sz]ed ip|\bip\b.*(not (allowed|authori[sz]ed)|denied)",
        stages=("auth",),
    ),
    Rule(
        "The account is locked, suspended or not active yet. Sign in at the provider and follow its "
        "instructions. A new password does not help, and more sign-in attempts can prolong a lock.",
        words=(
            r"(account|user|mailbox|login|domain)\b.{0,40}\b(locked|blocked|suspended|disabled|deactivated|inactive|"
            "closed|not (yet )?(active|activated|enabled))|(locked|suspended|disabled|blocked) (account|user)|"
            "activate your (smtp )?account"
        ),
        stages=("auth",),
    ),
    Rule(
        "This account may not send by SMTP yet. Turn on access for mail programs (SMTP, often together "
        "with POP3 and IMAP) in the provider's settings, or ask whether your plan includes it.",
        words=(
            "(smtp|imap|pop3?).{0,40}(not (enabled|activated|allowed|permitted)|disabled)|user has no permission|"
            "access rights to this service|not authori[sz]ed to use (smtp|this service)|"
            "service is not (enabled|available)"
        ),
        stages=("auth",),
    ),
    Rule(
        "Choose STARTTLS as security: the server requires TLS before sign-in.",
        words="must issue a? ?starttls|starttls (is )?required|starttls first",
    ),
    Rule(
        "Choose STARTTLS as security: the server requires TLS before sign-in.",
        words="(encryption|tls|ssl) (is )?required|requires? (tls|ssl|encryption)",
        when=lambda facts: facts.security == "none" and facts.kind != "auth_mechanism",
    ),
    Rule(
        "The server accepts no sign-in on this port, or only over TLS. Use 587 with STARTTLS, or 465 with "
        "Implicit TLS.",
        words="authentication not enabled|auth(entication)? (command )?(used when )?not (advertised|available|allowed)",
        stages=("auth",),
    ),
    Rule(
        "The server could not check the password right now. "
        + _RETRIED
        + "If this continues, check the server's status.",
        words="connection lost|internal (server )?error|temporar|try again later|backend",
        stages=("auth",),
        kinds=_AUTH,
    ),
)

#: What a login needs at one provider.
_PROVIDERS: tuple[Rule, ...] = (
    Rule(
        "SES needs its own SMTP credentials (SES → SMTP settings → Create SMTP credentials), not an AWS "
        "access key or console login. They only work in one region; this host's region is {region}.",
        kinds=_AUTH,
        codes=(530, 535),
        vendors=("ses",),
    ),
    Rule(
        "SendGrid's username is always the word apikey, which is not what you entered. The API key is the "
        "password.",
        kinds=_AUTH,
        vendors=("sendgrid",),
        codes=(501, 534, 535, 550),
        when=lambda facts: facts.username != "apikey",
    ),
    Rule(
        "Enter the API key again (it starts with SG. and is shown only once), and check that it has the "
        "Mail Send permission and was not deleted.",
        kinds=_AUTH,
        codes=(535, 550),
        vendors=("sendgrid",),
    ),
    Rule(
        "Postmark's username and password are the same: the Server API token (not the account token). "
        "Enter it in both fields.",
        kinds=_AUTH,
        codes=(535, 550),
        vendors=("postmark",),
    ),
    Rule(
        "Use the SMTP user of the sending domain (postmaster@…) and its password, not an API key. Domains "
        "in the other region use another host: {other_mailgun}.",
        kinds=_AUTH,
        codes=(535,),
        vendors=("mailgun",),
    ),
    Rule(
        "Google needs an app password here. Turn on 2-step verification, create one at "
        "myaccount.google.com/apppasswords, and enter it instead of the account's password.",
        kinds=_AUTH,
        codes=(534, 535),
        vendors=("gmail",),
    ),
    Rule(
        "Microsoft answers this if the username or password is wrong, or if SMTP AUTH is off for the "
        "mailbox. The username is the full mail address. An administrator can turn on Authenticated SMTP.",
        kinds=_AUTH,
        codes=(535,),
        words=r"5\.7\.3\b",
        vendors=("microsoft",),
    ),
    Rule(
        "{vendor} needs an app password here, not the account's password. Create one in the account's "
        "security settings. The username is the full mail address.",
        kinds=_AUTH,
        codes=(535,),
        vendors=("yahoo", "icloud", "fastmail"),
    ),
    Rule(
        "{vendor} needs the full mail address as the username, and an app password if 2-factor "
        "authentication is on. Access for mail programs (SMTP, POP3, IMAP) must be turned on in the "
        "mailbox's settings.",
        kinds=_AUTH,
        codes=(535,),
        vendors=("gmx", "zoho", "yandex"),
    ),
    Rule(
        "{vendor} needs the full mail address of a mailbox as the username, and that mailbox's password, "
        "not that of the customer account.",
        kinds=_AUTH,
        codes=(535,),
        vendors=("ovh", "ionos", "strato"),
    ),
)

_ANY: tuple[Rule, ...] = (
    Rule(
        "The server requires OAuth, which does not work with a relay password. Create an app password, or "
        "use another relay.",
        kinds=("auth_not_offered",),
        words="xoauth2|oauthbearer",
    ),
    Rule(
        "Most servers offer sign-in only over TLS. Choose STARTTLS (587) or Implicit TLS (465).",
        kinds=("auth_not_offered",),
        when=lambda facts: facts.security == "none",
    ),
    Rule(
        "Port 25 is for mail between servers and often has no sign-in. Use 587 with STARTTLS.",
        kinds=("auth_not_offered",),
        when=lambda facts: facts.port == 25,
    ),
    Rule(
        "If the server accepts mail without sign-in, leave the username empty. Otherwise, use its "
        "submission port (587 or 465).",
        kinds=("auth_not_offered",),
    ),
    Rule(
        "SMTP AUTH is off for this Microsoft 365 mailbox or tenant. An administrator can turn on "
        "Authenticated SMTP.",
        kinds=("auth_mechanism",),
        vendors=("microsoft",),
    ),
    Rule(
        "The server only allows these sign-in methods on encrypted connections. Choose STARTTLS (587) or "
        "Implicit TLS (465).",
        kinds=("auth_mechanism",),
        when=lambda facts: facts.security == "none",
    ),
    Rule(
        "The server refuses the sign-in method, so it has not checked the password. If it is your own "
        "server, turn on PLAIN or LOGIN for this account. Otherwise, find out whether the provider allows "
        "SMTP with a password.",
        kinds=("auth_mechanism",),
    ),
    Rule("The server accepts passwords only over TLS. Choose STARTTLS or Implicit TLS.", codes=(538,)),
    Rule(
        "The server could not check the password right now. "
        + _RETRIED
        + "If this continues, check the server's status.",
        kinds=_AUTH,
        when=lambda facts: not facts.permanent,
    ),
    Rule(
        "Enter username and password again. Many servers need the full mail address as the username, or "
        "an app password.",
        kinds=_AUTH,
        when=lambda facts: facts.password_refused,
    ),
    Rule(
        "The server refuses the sign-in; its answer above says why. It does not say that the password is "
        "wrong.",
        kinds=_AUTH,
    ),
    Rule(
        "The server hung up during sign-in; its answer above says why. Wait a few minutes before you test "
        "again.",
        kinds=("closed",),
        stages=("auth",),
        when=lambda facts: facts.permanent,
    ),
)

RULES: tuple[Rule, ...] = (*_WORDS, *_PROVIDERS, *_ANY)
