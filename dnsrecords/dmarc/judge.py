"""Judges a domain's DMARC policy by what receivers do with it (RFC 9989), with what older ones do (RFC 7489). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.answers import Outcome
from dnsrecords.dmarc import consent, walk
from dnsrecords.dmarc.policy import (
    POLICIES,
    SCHEMES,
    VERSION,
    as_meant,
    cleaned,
    is_policy,
    lowered,
    parse,
    with_policy,
)
from dnsrecords.text import taglists
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dnsrecords.answers import Answer, Lookup, Question
    from dnsrecords.dmarc.policy import Policy
    from dnsrecords.dmarc.walk import Walk

_LOOKS_LIKE_A_POLICY = re.compile(
    r"\bv[ \t]*=[ \t]*dmarc|\bp[ \t]*=[ \t]*(none|quarantine|reject)", re.IGNORECASE
)
#: The start of a record that receivers do not recognise, as far as it is the version.
_VERSION = re.compile(r"v[ \t]*=[ \t]*dmarc1?[ \t,.:]*", re.IGNORECASE)


def questions(domain: str, texts: Sequence[str]) -> Iterator[Question]:
    """Everything that `judge` may look up, so that it can be queried in parallel."""
    yield from walk.questions(domain)
    yield (domain, "MX")
    for text in filter(is_policy, texts):
        yield from consent.questions(parse(text), domain)


def judge(domain: str, answer: Answer, lookup: Lookup, *, wanted: str) -> Verdict:
    """Whether the policy that applies to a domain is at least as strong as the wanted one.

    Args:
        answer: to the question for the domain's own record.
    """
    texts = tuple(value for value in answer.values if is_policy(value))
    case = _Case(domain, wanted, walk.walk(domain, lookup, answer.values), lookup)
    if len(texts) > 1:
        return case.several(texts)
    return case.own(parse(texts[0]), texts) if texts else case.without(answer)


@dataclass(frozen=True)
class _Case:
    domain: str
    wanted: str
    walk: Walk
    lookup: Lookup

    # --- with a record of its own --------------------------------------------------------------------------
    def own(self, policy: Policy, texts: tuple[str, ...]) -> Verdict:
        """The verdict on the domain's own policy."""
        strong = self._reporting(policy, with_policy(policy, self._at_least(policy)))
        reports = [*self._about_reports(policy)]
        if policy.fatal:
            message = f"{_unheeded(policy)}, because {policy.fatal}. Replace it with the suggested record."
            if not (meant := parse(as_meant(texts[0]))).fatal:
                message += " It contains what was probably meant, with a semicolon between the tags."
                strong = self._reporting(meant, with_policy(meant, self._at_least(meant)))
            return Verdict(Status.MISMATCH, message, texts, strong)
        if weak := [*self._weaknesses(policy)]:
            told = [*weak, *self._without_effect(policy), *policy.flaws, *reports]
            return Verdict(Status.MISMATCH, " ".join(told), texts, strong)
        remarks = [*self._about_strength(policy), *self._without_effect(policy), *policy.flaws]
        invalid = any(address.error for address in (*policy.reports, *policy.failure_reports))
        if policy.tags.errors:
            reports.append(
                "Some strict receivers ignore a record with such an error. The suggested one has none."
            )
        advice = self._reporting(policy, cleaned(policy)) if remarks or invalid else ""
        return Verdict(Status.OK, " ".join([*remarks, *reports]), texts, advice)

    def several(self, texts: tuple[str, ...]) -> Verdict:
        """The verdict on several policies; the advice is to keep the strongest."""
        strongest = max(map(parse, texts), key=lambda policy: POLICIES.index(policy.holds))
        advice = self._reporting(strongest, with_policy(strongest, self._at_least(strongest)))
        return Verdict(Status.MISMATCH, _several(len(texts)), texts, advice)

    def _at_least(self, policy: Policy) -> str:
        """The stronger one of the wanted policy and the published one."""
        return max(policy.policy or POLICIES[0], self._wanted.policy, key=POLICIES.index)

    def _reporting(self, policy: Policy, text: str) -> str:
        """A record to paste; with the wanted address if the published one cannot be corrected."""
        if not (policy.reports or "rua" in policy.tags) or "rua" in parse(text).tags:
            return text
        return f"{text}; rua={self._wanted.tags.get('rua')}"

    @property
    def _wanted(self) -> Policy:
        return parse(self.wanted)

    def _is_weak(self, policy: str) -> bool:
        return POLICIES.index(policy) < POLICIES.index(self._wanted.policy)

    def _weaknesses(self, policy: Policy) -> Iterator[str]:
        """In what the policy is weaker than the wanted one, the gravest first."""
        if self._is_weak(policy.policy):
            yield (
                f"The policy p={policy.policy} only monitors: forged mail still arrives. This is the first "
                "stage of none → quarantine → reject. When the reports show that your own mail passes, "
                f"change it to p={self._wanted.policy}."
            )
            return
        if self._is_weak(policy.in_effect(policy.policy)):
            yield (
                f"The tag t=y makes the policy a test: p={policy.policy} works like "
                f"{policy.in_effect(policy.policy)} (RFC 9989 §4.7), so forged mail still arrives. When "
                "the reports show that your own mail passes, delete the tag t=."
            )
        yield from self._open_subdomains(policy)
        below = self._counts_below and not self.walk.silent
        counted = (policy.policy, policy.subdomains) if below else (policy.policy,)
        if any(self._is_weak(policy.in_effect_before(each)) and not self._is_weak(each) for each in counted):
            yield (
                f"Because of pct={policy.percent}, receivers that still follow RFC 7489 exempt part of the "
                "forged mail. Newer ones ignore the tag. Delete the tag pct=."
            )

    def _open_subdomains(self, policy: Policy) -> Iterator[str]:
        tags = (
            ("sp", policy.subdomains, "subdomains"),
            ("np", policy.absent, "subdomains that do not exist"),
        )
        for tag, value, which in tags:
            if tag not in policy.tags or not self._counts_below or self.walk.silent:
                continue
            effect = policy.in_effect(value)
            by_test = self._is_weak(effect) and not self._is_weak(policy.in_effect(policy.policy))
            if self._is_weak(value) or by_test:
                test = "" if effect == value else f", which t=y turns into {effect},"
                yield (
                    f"The tag {tag}={value}{test} leaves {which} open to forgery, while the domain itself "
                    f"is protected. Delete the tag {tag}=."
                )

    @property
    def _counts_below(self) -> bool:
        """Whether the record speaks for subdomains: only an organisation's does, or a public suffix's (§4.7)."""
        return self.walk.organisation == self.domain

    @property
    def _silent(self) -> str:
        """The first record above that could not be looked up."""
        return walk.record_name(self.walk.silent[0])

    def _about_strength(self, policy: Policy) -> Iterator[str]:
        effect = policy.in_effect(policy.policy)
        if effect != policy.policy:
            yield (
                f"The tag t=y makes the policy a test: p={policy.policy} works as {effect} (RFC 9989 §4.7); receivers "
                f"that still follow RFC 7489 do not know the tag and apply {policy.policy}. Delete it when the reports "
                "show that your own mail passes."
            )
        elif POLICIES.index(effect) > POLICIES.index(self._wanted.policy):
            yield (
                f"The policy p={policy.policy} is stronger than the suggested one, and you can keep it. "
                "Mail that was changed in transit, for example by a mailing list, is then refused rather "
                "than put into spam."
            )
        if policy.percent < 100:
            yield (
                f"Receivers that still follow RFC 7489 apply {lowered(policy.policy)} to part of the forged mail, "
                f"because of pct={policy.percent}; newer ones ignore that tag. Delete the tag pct=."
            )

    def _without_effect(self, policy: Policy) -> Iterator[str]:
        """Tags that do not have the intended effect."""
        if policy.psd == "y":
            yield (
                f"The tag psd=y says that {self.domain} is a public suffix such as com, so that its subdomains count "
                "as organisations of others. Delete the tag psd=."
            )
        weak = [
            tag
            for tag, value in (("sp", policy.subdomains), ("np", policy.absent))
            if self._is_weak(policy.in_effect(value))
        ]
        if (
            self._counts_below
            and self.walk.silent
            and (unknown := [tag for tag in weak if tag in policy.tags])
        ):
            yield (
                f"Whether {' and '.join(f'{tag}=' for tag in unknown)} leaves subdomains open to forgery "
                f"is unknown: it only counts if no parent domain has a policy, and {self._silent} could "
                "not be looked up."
            )
        if not self._counts_below and (ignored := [tag for tag in ("sp", "np") if tag in policy.tags]):
            yield (
                f"{' and '.join(f'{tag}=' for tag in ignored)} has no effect here, because {self.domain} "
                f"belongs to the organisational domain {self.walk.organisation}, whose policy applies to "
                "subdomains."
            )

    # --- reports -------------------------------------------------------------------------------------------------
    def _about_reports(self, policy: Policy) -> Iterator[str]:
        for tag, addresses in (("rua", policy.reports), ("ruf", policy.failure_reports)):
            for address in addresses:
                if address.error:
                    yield f"No report goes to an address in {tag}=: {address}."
                elif not address.reaches(SCHEMES):
                    yield (
                        f"Receivers may ignore {taglists.shown(address.text)} in {tag}=: they only have to "
                        "support mailto:."
                    )
        if not policy.reports and "rua" not in policy.tags:
            yield (
                "There is no address for reports (rua=), so nobody tells you when others forge or refuse "
                "your mail."
            )
        for refused in consent.refused(policy, self.walk, self.lookup):
            yield _refused(refused, self.domain)

    # --- without one -----------------------------------------------------------------------------------------
    def without(self, answer: Answer) -> Verdict:
        applying = self.walk.applying
        tries = tuple(value for value in answer.values if _LOOKS_LIKE_A_POLICY.search(value))
        if tries:
            message = (
                f"Receivers do not recognise the record as a DMARC policy: {_why(tries[0])}. "
                "Replace it with the suggested record."
            )
            return Verdict(Status.MISMATCH, message, tries, self._restored(tries[0]))
        if applying and self.walk.silent:
            message = (
                f"{self.domain} has no DMARC policy. Which parent domain's policy applies is unknown: "
                f"{applying[0]} has one, but {self._silent} could not be looked up. Add the TXT record to "
                "be sure."
            )
            return Verdict(Status.ERROR, message)
        if applying:
            return self._inherited(*applying)
        if answer.values:
            message = (
                f"The text published there is not a DMARC policy: {taglists.shown(answer.values[0])}. Add "
                "the suggested TXT record. It also hides text that comes from a wildcard record (*)."
            )
            return Verdict(Status.MISMATCH, message, answer.values)
        if self.walk.silent:
            message = (
                f"No DMARC policy is published at {answer.name}. Whether a parent domain's policy applies "
                f"is unknown, because {self._silent} could not be looked up. Add the TXT record."
            )
            return Verdict(Status.MISSING, message)
        message = (
            f"No DMARC policy is published at {answer.name}, so anyone can send mail as this domain, and "
            "large providers may refuse its mail. Add the TXT record."
        )
        return Verdict(Status.MISSING, message)

    def _inherited(self, above: str, policy: Policy) -> Verdict:
        """The policy of the organisation, or of the public suffix, applies (§4.10.1)."""
        absent = self.lookup(self.domain, "MX").outcome is Outcome.NXDOMAIN
        value = policy.absent if absent else policy.subdomains
        effect = policy.in_effect(value)
        if policy.fatal or self._is_weak(effect) or self._is_weak(policy.in_effect_before(value)):
            message = (
                f"{self.domain} has no DMARC policy, and the policy of {above} ({walk.record_name(above)}) "
                f"does not protect it: {self._why_not(policy, value, absent=absent)}. Forged mail still "
                "arrives. Add the TXT record."
            )
            return Verdict(Status.MISSING, message)
        message = (
            f"{self.domain} has no DMARC policy, so the policy of {above} applies: {effect}. "
            f"{_before(above, self.walk)}{_without_np(policy, absent=absent)}Publish the suggested record "
            "if you want the reports yourself."
        )
        return Verdict(Status.OK, message, advice=with_policy(self._wanted, effect))

    def _why_not(self, policy: Policy, value: str, *, absent: bool) -> str:
        if policy.fatal:
            return policy.fatal
        tag = next((tag for tag in (("np", "sp") if absent else ("sp",)) if tag in policy.tags), "p")
        if self._is_weak(value):
            return f"it has {tag}={value}"
        if self._is_weak(policy.in_effect(value)):
            return f"{tag}={value} works like {policy.in_effect(value)}, because of t=y"
        return (
            f"receivers that still follow RFC 7489 exempt part of the mail, because of pct={policy.percent}"
        )

    def _restored(self, text: str) -> str:
        """A record of which receivers do not recognise the start; its other tags stay."""
        rest = _VERSION.sub("", text, count=1).strip(" \t;")
        policy = parse(f"v={VERSION}; {rest}")
        return self._reporting(policy, with_policy(policy, self._at_least(policy)))


def _unheeded(policy: Policy) -> str:
    return "Receivers treat the policy as none" if policy.heeded else "Receivers ignore the record"


def _before(above: str, found: Walk) -> str:
    """What receivers that follow RFC 7489, who only check the registered domain, do differently."""
    policy = dict(found.found)[above]
    if policy.psd != "y" and above.count(".") == 1:
        return ""
    return f"Receivers that still follow RFC 7489 see it only if {above} is the registered domain. "


def _without_np(policy: Policy, *, absent: bool) -> str:
    if not absent or policy.absent == policy.subdomains:
        return ""
    return f"Receivers that still follow RFC 7489 do not know np= and apply {policy.subdomains}. "


def _several(count: int) -> str:
    return (
        f"There are {count} DMARC policies, so receivers follow none of them (RFC 9989 §4.10). "
        "Keep one, such as the suggested one, and delete the others."
    )


def _why(text: str) -> str:
    if re.match(r"[vV][ \t]*=[ \t]*DMARC1[ \t]", text):
        return "a semicolon must follow v=DMARC1"
    return parse(text).fatal or "v=DMARC1 has to come first"


def _refused(refused: consent.Refused, domain: str) -> str:
    if refused.elsewhere:
        return (
            f"No reports are sent to {refused.host}: it agrees to receive them, but its record at "
            f"{refused.name} names {refused.elsewhere} instead, which must be the same host (RFC 9990 §4)."
        )
    before = ""
    if refused.host.split(".")[-2:] == domain.split(".")[-2:]:
        before = (
            " Receivers that still follow RFC 7489 send them anyway if both have the same registered domain."
        )
    return (
        f"The reports do not reach {refused.host}, because it has not agreed to receive them: its owner must add "
        f'the TXT record "v=DMARC1" at {refused.name}.{before}'
    )
