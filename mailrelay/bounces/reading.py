"""A mail that came back, as the report that it is: who got the original, who did not, who complained. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mailrelay.bounces import complaints, dsn, outcomes, parts, prose
from mailrelay.bounces.outcomes import ADDRESS, Outcome
from mailrelay.bounces.parts import Mail
from mailrelay.mail import addresslists

#: Recipients of one report that are kept.
_MOST = 100
_DELIVERY = ("message/delivery-status", "message/global-delivery-status")
_FEEDBACK = ("message/feedback-report", "message/abuse-report")
_ORIGINAL = (
    "message/rfc822",
    "text/rfc822-headers",
    "message/global",
    "message/global-headers",
    "message/partial",
)
_MESSAGE_ID = re.compile(r"^message-id[ \t]*:\s*(<?[^\s<>]{1,240}>?)", re.IGNORECASE | re.MULTILINE)
#: What programs call themselves (RFC 5321 §4.5.5 leaves it to them).
_DAEMON = re.compile(
    r"mailer-?daemon|post[_-]?master|mail delivery|delivery (?:sub)?system|mail system|mail administrator"
    r"|mdaemon|bounce|undeliver"
    r"|mail server|system administrator|maildelivery|postoffice|interscan|mail router|double-?bounce"
    r"|administrator of|mmdf"
    r"|internet mail delivery|\bsmtp\b|courier",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|deliver(?:y|ing)?\b.{0,40}(?:fail|status|notif|report|problem|error)|failure notice"
    r"|returned mail|mail.{0,12}(?:failed|failure|error|rejected)"
    r"|could not be delivered|delayed mail|warning: (?:message|could not)|fail(?:ed|ure)? (?:mail|notice)"
    r"|delivery_failure|nondeliverable|returned (?:to sender|message)|message (?:frozen|delayed)"
    r"|unzustellbar|non remis|non recapitabile|devuelto|unable to deliver|配信|エラー|不达|退信"
    r"|error (?:sending|condition)|user unknown|dsn|not delivered|rejected:",
    re.IGNORECASE,
)
#: The subject when a person's program answers (RFC 3834): out of office, "we have received your request".
ANSWERS = re.compile(
    r"^(?:auto(?:matic(?:ally)?)?[ :-]|out of (?:the )?office|vacation|abwesen"
    r"|r.ponse automatique|risposta automatica|respuesta autom|autosvar|自動応答|自動返信"
    r"|away from|i.m away|on vacation)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a mail reports.

    Attributes:
        outcomes: for each recipient; at least one.
        sent_to: addresses that the report came to, or names as the sender's: one may be a return path of ours.
        message_ids: of the original, without angle brackets.
        source: how it was read: dsn, complaint or text.
        by: the server that reports; empty if it does not say.
        text: what people read in it, without the copy of the original.
    """

    outcomes: tuple[Outcome, ...]
    sent_to: tuple[str, ...]
    message_ids: tuple[str, ...]
    source: str
    by: str
    text: str


def read(data: bytes) -> Report | None:
    """The report that a mail is; None for any other mail, and for answers of people's programs."""
    mail = parts.read(data)
    text = "\n\n".join(_texts(mail))
    original = "\n\n".join(mail.of(*_ORIGINAL))
    statuses = mail.of(*_DELIVERY)
    found = complaints.read(mail.of(*_FEEDBACK), original)
    source = "complaint"
    if not found and not mail.of(*_FEEDBACK):
        found, source = _unique(dsn.read(statuses)), "dsn"
        if _needs_words(found):
            found, source = _from_text(mail, text, found)
    if not found:
        return None
    if len(found) == 1 and not found[0].recipient:
        found = [replace(found[0], recipient=_only_recipient(original))]
    by = dsn.reporter(statuses) or addresslists.decoded(mail.header.get("from", ""))
    return Report(
        tuple(found),
        _sent_to(mail),
        tuple(_message_ids(mail, text, original)),
        source,
        by[:200],
        prose.above_original(text)[:4000],
    )


def _only_recipient(original: str) -> str:
    """To whom the original was written, if that is one address."""
    header = next(iter(parts.groups(original)), {})
    found = ADDRESS.findall(header.get("to", ""))
    return outcomes.address(found[0]) if len(found) == 1 else ""


def _texts(mail: Mail) -> list[str]:
    return [one for one in mail.of("text/plain") if one.strip()] or mail.of("text/html")


def _unique(found: list[Outcome]) -> list[Outcome]:
    """One outcome for each recipient: the last group of a report about it counts."""
    return list({one.recipient: one for one in found}.values())[:_MOST]


def _needs_words(found: list[Outcome]) -> bool:
    return not found or any(
        not one.recipient or (one.kind == outcomes.BOUNCED and not one.said) for one in found
    )


def _from_text(mail: Mail, text: str, known: list[Outcome]) -> tuple[list[Outcome], str]:
    """What the text says, where fields say nothing, or leave out the reason."""
    subject = addresslists.decoded(mail.header.get("subject", ""))
    if not known and not _is_bounce(mail, subject):
        return [], ""
    ours = frozenset({outcomes.address(one) for one in _sent_to(mail)} - {""})
    said = prose.read(text, subject, ours=ours)
    failed = [one.lower() for one in ADDRESS.findall(mail.header.get("x-failed-recipients", ""))]
    if not known:
        named = [one for one in said if one.recipient in failed] or said
        missing = [one for one in failed if one not in {each.recipient for each in named}]
        reason = said[0] if said else None
        extra = [
            outcomes.bounced(
                one, reason.said if reason else text[:400], kind=reason.kind if reason else outcomes.BOUNCED
            )
            for one in missing
        ]
        return [*named, *extra], "text"
    words = {one.recipient: one for one in said}
    return [_with_words(one, words, said) for one in known], "dsn"


def _with_words(one: Outcome, words: dict[str, Outcome], said: list[Outcome]) -> Outcome:
    other = words.get(one.recipient) or (said[0] if len(said) == 1 else None)
    if other is None or (one.recipient and one.said):
        return one
    recipient = one.recipient or other.recipient
    return outcomes.bounced(
        recipient, one.said or other.said, status=one.status, host=one.host, kind=one.kind
    )


def _is_bounce(mail: Mail, subject: str) -> bool:
    """Whether a program of a server wrote this, about a delivery."""
    header = mail.header
    if (
        ANSWERS.search(subject)
        or "x-autoreply" in header
        or header.get("precedence", "").lower() == "auto_reply"
    ):
        return False
    if "x-failed-recipients" in header:
        return True
    daemon = bool(_DAEMON.search(addresslists.decoded(header.get("from", ""))))
    null = header.get("return-path", "?").strip() in ("<>", "")
    return (daemon or null or mail.report == "delivery-status") and (
        bool(_SUBJECT.search(subject)) or daemon or mail.kind == "multipart/report"
    )


def _sent_to(mail: Mail) -> tuple[str, ...]:
    """Addresses that the report came to; and, of a complaint, the envelope sender that it names (RFC 5965 §3.2)."""
    named = re.findall(r"^original-mail-from[ \t]*:(.*)$", "\n".join(mail.of(*_FEEDBACK)), re.I | re.M)
    found = [one for text in [*mail.received_by, *named] for one in ADDRESS.findall(text)]
    return tuple(dict.fromkeys(found))[:20]


def _message_ids(mail: Mail, text: str, original: str) -> list[str]:
    """Candidates: in the original, below the text, and what the report says it answers."""
    found = _MESSAGE_ID.findall(original) or _MESSAGE_ID.findall(text)
    found += re.findall(
        r"<[^\s<>]{1,240}>", f"{mail.header.get('in-reply-to', '')} {mail.header.get('references', '')}"
    )
    found += re.findall(
        r"^(?:x-)?original-message-id[ \t]*:\s*(\S{1,240})", "\n".join(mail.of(*_FEEDBACK)), re.I | re.M
    )
    return list(dict.fromkeys(one.strip("<>") for one in found))[:10]
