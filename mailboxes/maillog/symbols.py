"""Rspamd's most frequent symbols in words. Pure.

From the descriptions in Rspamd's own configuration (conf/scores.d, conf/modules.d), put in other words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Symbol, or how it begins with a star → what it says about the mail.
WORDS: Final = {
    # --- our own rules
    "QZ_LOCAL_FROM_UNAUTH": "From: is one of our domains, but nobody signed in to send it",
    "QZ_AUTHED": "sent by somebody who had signed in",
    "QZ_FROM_SIGNED": "signed by the domain in From:",
    # --- authentication
    "R_SPF_ALLOW": "SPF allows the sending server",
    "R_SPF_FAIL": "SPF forbids the sending server",
    "R_SPF_SOFTFAIL": "SPF does not know the sending server",
    "R_SPF_NEUTRAL": "SPF says nothing about the sending server",
    "R_SPF_NA": "the sender has no SPF record",
    "R_SPF_PERMFAIL": "the sender's SPF record is wrong",
    "R_DKIM_ALLOW": "a valid DKIM signature",
    "R_DKIM_REJECT": "a DKIM signature that does not verify",
    "R_DKIM_NA": "no DKIM signature",
    "R_DKIM_TEMPFAIL": "the DKIM key could not be looked up",
    "R_DKIM_PERMFAIL": "the DKIM key's record is wrong",
    "DMARC_POLICY_ALLOW": "DMARC passes",
    "DMARC_POLICY_REJECT": "DMARC fails, and the sender's policy is to refuse",
    "DMARC_POLICY_QUARANTINE": "DMARC fails, and the sender's policy is quarantine",
    "DMARC_POLICY_SOFTFAIL": "DMARC fails, without a policy",
    "DMARC_NA": "the sender has no DMARC record",
    "ARC_ALLOW": "a valid ARC seal",
    "ARC_REJECT": "an ARC seal that does not verify",
    "BLACKLIST_*": "a sender on a blocklist of Rspamd, without authentication",
    "WHITELIST_*": "a well-known sender, authenticated",
    # --- who sends
    "RDNS_NONE": "the sending address has no name",
    "RDNS_DNSFAIL": "the sending address's name could not be looked up",
    "HFILTER_HOSTNAME_UNKNOWN": "the sending server has no name",
    "HFILTER_HELO_NORES_A_OR_MX": "the name in HELO does not exist",
    "HFILTER_HELO_IP_A": "the name in HELO is of another server",
    "HFILTER_HELO_BAREIP": "HELO is a bare address",
    "HFILTER_HELO_NOT_FQDN": "the name in HELO is not complete",
    "HFILTER_HELO_*": "the name in HELO looks like that of a dial-up line",
    "HFILTER_HOSTNAME_*": "the sending server's name looks like that of a dial-up line",
    "HFILTER_FROMHOST_NORES_A_OR_MX": "the sender's domain does not accept mail",
    "HFILTER_FROM_BOUNCE": "a bounce",
    "HFILTER_URL_ONLY": "nothing but a link",
    "HFILTER_URL_ONELINE": "one line and a link",
    "FORGED_SENDER": "From: differs from the envelope sender",
    "FORGED_RECIPIENTS": "To: does not name the recipient",
    "FROM_NEQ_ENVFROM": "From: differs from the envelope sender",
    "FROM_NO_DN": "From: has no name",
    "SPOOF_DISPLAY_NAME": "From: shows another address as its name",
    "FREEMAIL_*": "from a free mail service",
    "DISPOSABLE_*": "from a service for throw-away addresses",
    "REPLYTO_*": "Reply-To: differs from From:",
    "FAKE_REPLY": "looks like a reply, and is none",
    "TO_DN_NONE": "To: has no name",
    "ONCE_RECEIVED*": "came straight from the sender's computer",
    "DIRECT_TO_MX": "came straight from a mail program",
    # --- lists
    "RBL_*": "the sending address is on a blocklist",
    "RECEIVED_SPAMHAUS_*": "it passed an address on Spamhaus's blocklist",
    "SPAMHAUS_*": "on Spamhaus's blocklist",
    "SURBL_*": "a link on a blocklist",
    "URIBL_*": "a link on a blocklist",
    "DBL_*": "a domain on Spamhaus's blocklist",
    "RSPAMD_URIBL": "a link on Rspamd's blocklist",
    "RCVD_IN_DNSWL_*": "the sending address is on an allowlist",
    "BLOCKLISTDE": "the sending address is on blocklist.de",
    "SEM_*": "on Spam Eating Monkey's blocklist",
    "MAILSPIKE": "the sending address's reputation is bad",
    "*_BLOCKED": "a blocklist does not answer this server's resolver",
    # --- content
    "BAYES_SPAM": "reads like mail that was learnt as spam",
    "BAYES_HAM": "reads like mail that was learnt as wanted",
    "NEURAL_SPAM*": "looks like spam to the neural network",
    "NEURAL_HAM*": "looks wanted to the neural network",
    "FUZZY_*": "nearly the same as known spam",
    "GTUBE": "the test string for spam filters",
    "PHISHING": "a link that shows another address than it leads to",
    "PHISHED_*": "a link to a known phishing page",
    "HACKED_WP_PHISHING": "a link into a broken-into website",
    "URL_*": "an odd link",
    "MANY_INVISIBLE_PARTS": "invisible text",
    "ZERO_FONT": "invisible text",
    "R_EMPTY_IMAGE": "an image and no text",
    "R_MIXED_CHARSET*": "letters of several scripts within words",
    "R_SUSPICIOUS_*": "odd pictures or links",
    "R_MISSING_CHARSET": "the character set is missing",
    "R_PARTS_DIFFER": "text and HTML differ",
    "MIME_GOOD": "ordinary MIME",
    "MIME_BAD*": "a dangerous kind of attachment",
    "MIME_BASE64_TEXT*": "plain text, hidden as Base64",
    "MIME_HTML_ONLY": "HTML without text",
    "MIME_HEADER_CTYPE_ONLY": "MIME headers are missing",
    "MIME_*": "odd MIME",
    "HTML_SHORT_LINK_IMG_*": "little text, an image and a link",
    "SUBJ_ALL_CAPS": "a subject in capitals",
    "SUBJECT_*": "an odd subject",
    "SUBJ_*": "an odd subject",
    "LONG_SUBJ": "a very long subject",
    "EMPTY_SUBJECT": "no subject",
    "MISSING_MID": "no Message-ID",
    "MISSING_DATE": "no Date:",
    "MISSING_FROM": "no From:",
    "MISSING_TO": "no To:",
    "MISSING_SUBJECT": "no subject",
    "MISSING_MIMEOLE": "headers that do not fit its mail program",
    "INVALID_DATE": "a wrong Date:",
    "DATE_IN_PAST": "an old Date:",
    "DATE_IN_FUTURE": "a Date: in the future",
    "INVALID_MSGID": "a malformed Message-ID",
    "FORGED_*": "headers that do not fit its mail program",
    "CTYPE_*": "a malformed Content-Type",
    "BROKEN_HEADERS": "broken headers",
    "MULTIPLE_*": "headers that are there twice",
    "BITCOIN_ADDR": "a Bitcoin address",
    "LEAKED_PASSWORD_SCAM*": "an extortion mail",
    "CLAM_VIRUS": "a virus",
    "MAILLIST": "from a mailing list",
    "HAS_LIST_UNSUB": "from a mailing list",
    "PRECEDENCE_BULK": "bulk mail",
    "RATELIMIT*": "too much mail in a short time",
    "GREYLIST": "greylisted",
    "RCVD_*": "where it came through",
    "ASN": "the network that it came from",
    "XM_UA_NO_VERSION": "a mail program without a version",
}


def word(symbol: str) -> str:
    """What the symbol says; the symbol itself if it is not known."""
    if symbol in WORDS:
        return WORDS[symbol]
    for pattern, text in WORDS.items():
        if (pattern.endswith("*") and symbol.startswith(pattern[:-1])) or (
            pattern.startswith("*") and symbol.endswith(pattern[1:])
        ):
            return text
    return symbol


def sentence(symbols: Iterable[tuple[str, float]], most: int = 5) -> str:
    """What counted most, each with its points: "+7 From: is one of our domains …; −0.1 ordinary MIME"."""
    found: dict[str, float] = {}
    for name, score in symbols:
        found[word(name)] = found.get(word(name), 0.0) + score
    return "; ".join(f"{points(score)} {text}" for text, score in [*found.items()][:most])


def points(score: float) -> str:
    """A number with its sign: +2, −0.1."""
    return f"{'' if score < 0 else '+'}{number(score)}"


def number(score: float) -> str:
    """A number as people write it: 2, −0.1."""
    return f"{'−' if score < 0 else ''}{abs(score):.2f}".rstrip("0").rstrip(".")
