"""Bounces that only a person was meant to read: which addresses failed, and the words about each. Pure.

Programs write such mails as: a sentence that opens the list, each address with its reason, and then the original mail
below a line that says so. The tables name these sentences; all else is the same for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailrelay.bounces import outcomes
from mailrelay.bounces.outcomes import ADDRESS, Outcome

#: Lines of a reason, lines and recipients that are looked at, and characters of a line.
_MOST_REASON, _MOST_LINES, _MOST_RECIPIENTS, _LONGEST_LINE = 14, 600, 100, 1_000

#: What opens the list: who writes so is named, and each has its test in tests/mailrelay/bounces/corpus.
_FAILED = (
    r"(?:permanent|fatal) (?:fatal )?(?:error|failure)s?\b",  # Sendmail: "had permanent fatal errors"; Exim; qmail
    r"could ?n.?o?t be (?:delivered|sent|processed)",
    r"(?:was|were|been|being) (?:undeliverable|not delivered|rejected|refused)",
    # qmail, Postfix, Yahoo, InterScan
    r"(?:un)?able to deliver|undeliverable|undelivered|non[- ]?deliver(?:able|ed|y)",
    # Gmail, Exchange
    r"(?:delivery|delivering)\b.{0,60}\bfail(?:ed|ure)",
    r"failed (?:permanently|to deliver|to send|addresses|recipient)",
    r"(?:did|could) not (?:reach|be reached|deliver)|wasn.?t delivered|was not delivered to",
    r"couldn.t be (?:delivered|reached)",
    r"(?:had|encountered|following) (?:the following )?(?:delivery )?errors?\b|transcript of session",  # Sendmail, V5
    r"failure notice|failure reasons|returned (?:mail|to sender|to you)|mail delivery (?:failed|error|system)",
    r"delivery to the following|recipients? (?:of your message )?(?:failed|cannot be reached)",
    r"the following (?:address|recipient)",
    r"error (?:has )?occurred while (?:attempting|trying) to (?:deliver|send)|not be delivered",
    r"cannot (?:be delivered|deliver)|can.t be delivered",
    # IMail, Domino
    r"incorrectly constructed|unknown (?:user|recipient|mailbox)|user unknown",
    r"invalid (?:recipient|address)|bad recipient",
    r"konnte nicht (?:zugestellt|.bermittelt)|nicht zugestellt|unzustellbar|non remis",
    r"n.a pas pu .tre remis|no se (?:pudo|ha podido) entregar|n.o (?:p.de ser|foi) entregue",
    r"non .? ?stato (?:possibile )?(?:consegnat|recapitat)|non recapitabil|niet (?:worden )?bezorgd",
    r"配信できません|配送できませんでした|送信に失敗|届けられませんでした|送信できませんでした",
    r"不能投递|退信|не может быть доставлено|не удалось доставить",
)  # fmt: skip
_DELAYED = (
    r"(?:has|have|is|been|message) (?:been )?(?:delayed|still undelivered)",
    r"delivery (?:is |has been )?delayed|delay(?:s|ed) (?:in )?deliver",
    r"not (?:yet )?(?:been )?delivered (?:yet|after|to)?.{0,60}(?:retry|will be retried|still being)",
    r"warning: message|warning message",
    r"(?:temporary|transient)(?:ly)? (?:non-?fatal )?(?:error|fail)|still (?:trying|being retried)",
    r"do not need to re-?send|will (?:keep|continue) (?:trying|retrying)|delivery attempts will continue",
    r"has not been collected|remains in the queue|wird weiter versucht|verz.gert",
)  # fmt: skip
_DELIVERED = (
    r"successfully delivered|was (?:successfully )?delivered to|has been delivered|(?:was|been) relayed to",
    r"delivered successfully",
)
_OPENS = re.compile("|".join(_FAILED), re.IGNORECASE)
_OPENS_DELAY = re.compile("|".join(_DELAYED), re.IGNORECASE)
_OPENS_SUCCESS = re.compile("|".join(_DELIVERED), re.IGNORECASE)
_GIVEN_UP = re.compile(
    r"given up|giving up|permanent|no longer|queue too long|not going to try again|failed permanently|gave up|fatal",
    re.IGNORECASE,
)

#: Below this stands the original mail.
_ORIGINAL = re.compile(
    r"^[\s>*=_-]*(?:below (?:this line )?is (?:a|the) (?:copy|header|original)"
    r"|(?:this is |here is )?(?:a |the )?copy of (?:the|your) (?:original )?(?:message|mail)"
    r"|(?:the )?original (?:message|mail)\b(?! (?:was|sent|size|subject|id))"
    r"|(?:un)?(?:returned|sent|delivered) message (?:follows|header)"
    r"|(?:the )?headers? of the (?:original )?message|message header follows"
    r"|(?:the )?(?:original )?message headers?\b|unsent message"
    r"|returned (?:message|mail) (?:follows|below|-)|included is a copy|received:|return-path: "
    r"|\S* ?your original (?:message|mail) (?:follows|is)"
    r"|(?:in-?)?kopie der nachricht|kopfzeilen der|en-t.tes|intestazioni originali"
    r"|message contents? (?:follows|below)|the (?:mail|text of the) ?(?:message)? ?(?:you sent )?follows"
    r"|start of returned|--- ?returned)",
    re.IGNORECASE,
)  # fmt: skip

#: A line that begins with an address, which the reason follows: `<anna@example.com>: host …`, `* anna@example.com`.
_AT_START = re.compile(
    rf"^[\s*•·-]*(?:[\w-]{{2,20}}(?: [\w-]{{2,20}})?: ?)?[\"'<(\[]{{0,2}}(?:mailto:|smtp:|rfc822;)?({ADDRESS.pattern})"
    rf"[\"'>)\]]{{0,3}}(?:\s*[(<\[](?:mailto:)?\S+@\S+[)>\]])?(.*)$",
    re.IGNORECASE,
)
#: A line of SMTP, or of a field, that names the address on the way.
_AMID = re.compile(
    r"(?:RCPT TO:? ?|<<< ?\d\d\d.{0,40}|recipients?:? |to: ?|address(?:es)?:? |user:? |mailbox:? |account:? "
    rf"|message to |deliver(?:ed|y)? to |reached at )[\"'<(]{{0,2}}({ADDRESS.pattern})",
    re.IGNORECASE,
)
_NOT_RECIPIENTS = re.compile(
    r"^(?:mailer-daemon|postmaster|abuse|support|helpdesk|root|no-?reply)@|@(?:localhost)$", re.IGNORECASE
)
_SENDER_LINE = re.compile(
    r"^\s*(?:from|sender|mail from|return-path|reply-to|>>> mail from)\b|message (?:from|sent by)|sender:"
    r"|^\s*(?:hello|hi|dear) ",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Found:
    """A recipient and the lines about it."""

    address: str
    kind: str
    lines: list[str] = field(default_factory=list)


def read(text: str, subject: str, *, ours: frozenset[str] = frozenset()) -> list[Outcome]:
    """What a text says became of the mail, for each address in it.

    Args:
        subject: counts as the first line of the text.
        ours: addresses that sent the original, or that the report came to: they are no recipients.
    """
    lines = list(_report_lines(text))
    kind = _kind_of(subject, lines)
    if not kind:
        return []
    found = _collected(lines, kind, ours) or _collected(
        lines, kind, frozenset()
    )  # somebody wrote to themselves
    if not found:
        return [outcomes.bounced("", _reason(lines), kind=kind)]
    return [outcomes.bounced(one.address, _reason(one.lines), kind=one.kind) for one in found]


def above_original(text: str) -> str:
    """The text without the copy of the original below it, which may be nobody's business."""
    return "\n".join(_report_lines(text)).strip()


def _report_lines(text: str) -> Iterator[str]:
    said_something = False
    for number, whole in enumerate(text.split("\n")):
        line = whole[:_LONGEST_LINE]
        if number > _MOST_LINES or (said_something and _ORIGINAL.match(line)):
            return
        said_something = said_something or bool(line.strip())
        yield line.rstrip()


def _kind_of(subject: str, lines: list[str]) -> str:
    whole = " ".join(" ".join(lines[:40]).split())
    top = f"{subject}\n{whole}"
    if _OPENS_DELAY.search(top) and not _GIVEN_UP.search(whole):
        return outcomes.DELAYED
    if _OPENS.search(top):
        return outcomes.BOUNCED
    return outcomes.DELIVERED if _OPENS_SUCCESS.search(top) else ""


def _collected(lines: list[str], kind: str, ours: frozenset[str]) -> list[_Found]:
    found: dict[str, _Found] = {}
    current: _Found | None = None
    before: list[str] = []
    for line in lines:
        address, rest = _recipient(line, ours, first=current is None)
        if address:
            if address not in found:
                if len(found) >= _MOST_RECIPIENTS:
                    break
                found[address] = _Found(address, kind)
            current = found[address]
            current.lines.append(rest or line if rest is not None else line)
        elif current is not None:
            current.lines.append(line)
        else:
            before.append(line)
    for one in found.values():
        if not any(line.strip(" :<>\"'-=*") for line in one.lines):
            one.lines = before[-_MOST_REASON:] or one.lines
    return list(found.values())


def _recipient(line: str, ours: frozenset[str], *, first: bool) -> tuple[str, str | None]:
    """The recipient that a line is about, and what follows it there; anywhere in the line if it would be the first."""
    if _SENDER_LINE.search(line):
        return "", None
    start = _AT_START.match(line)
    if start and (one := _counted(start[1], ours)):
        return one, start[2].strip(" :;,-.")
    amid = _AMID.search(line) or (ADDRESS.search(line) if first else None)
    if amid and (one := _counted(amid[1] if amid.re is _AMID else amid[0], ours)):
        return one, None
    return "", None


def _counted(text: str, ours: frozenset[str]) -> str:
    one = outcomes.address(text)
    return "" if one in ours or "." not in one.rpartition("@")[2] or _NOT_RECIPIENTS.search(one) else one


def _reason(lines: list[str]) -> str:
    """The words about a recipient; the line with a server's reply first, if there is one."""
    kept = [line.strip(" \t=*-") for line in lines]
    kept = [line for line in kept if line][:_MOST_REASON]
    return " ".join(kept)
