"""What reports mean for the operator: whose mail it was, and whether the next stage can be taken. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dnsrecords.dmarc.policy import POLICIES
from quazzar import words

#: Policy → days of reports, and mails of ours, that are enough to go on to it.
DAYS = {"quarantine": 10, "reject": 28}
LEAST_MAILS = 20
#: The same for enforcing MTA-STS: days of reports, and sessions.
TLS_DAYS, LEAST_SESSIONS = 7, 10


@dataclass(frozen=True, slots=True)
class Numbers:
    """What DMARC reports say.

    Attributes:
        days: on which mail was reported.
        passed: mails that passed, so were ours.
        failed: mails that failed although this node or its relay sent them.
        strange: mails that failed, from elsewhere.
    """

    days: int = 0
    passed: int = 0
    failed: int = 0
    strange: int = 0

    @property
    def ours(self) -> int:
        """Mails that were ours, whether or not they passed."""
        return self.passed + self.failed

    @property
    def total(self) -> int:
        """Mails in all reports: ours, and those of strangers."""
        return self.ours + self.strange


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do next.

    Attributes:
        go_on_to: the next policy or mode, if it can be taken now; empty: wait, or there is none.
    """

    sentence: str
    go_on_to: str = ""
    is_warning: bool = False


def whose(numbers: Numbers) -> str:
    """ "412 mails were yours, these 19 were not." """
    if not numbers.total:
        return "No mail was reported in this time."
    yours = f"{words.count(numbers.ours, 'mail was', 'mails were')} yours"
    if numbers.failed:
        yours += f" ({numbers.failed:,} of them failed)"
    if not numbers.strange:
        return f"{yours}. No mail came from elsewhere."
    verb = "was" if numbers.strange == 1 else "were"
    return f"{yours}, {numbers.strange:,} {verb} not."


def dmarc(current: str, numbers: Numbers) -> Advice:
    """What the reports since the current policy was published say about the next one.

    Args:
        current: the policy that is published; empty: none.
    """
    if current not in POLICIES:
        return Advice(
            "Publish the DMARC record. Other servers then report once a day who sends as this domain."
        )
    seen = f"{words.count(numbers.days, 'day')}, {words.count(numbers.ours, 'mail')}, "
    seen += f"{numbers.failed:,} of yours failed"
    if numbers.failed:
        return Advice(
            f"{seen}: don't make the policy stronger yet. See below which of your senders fails, and fix SPF or "
            "DKIM for it.",
            is_warning=True,
        )
    if current == POLICIES[-1]:
        return Advice(f"{seen}. The policy is reject, the last stage: forged mail is refused.")
    following = POLICIES[POLICIES.index(current) + 1]
    if numbers.days >= DAYS[following] and numbers.ours >= LEAST_MAILS:
        return Advice(f"{seen}: go on to {following}.", go_on_to=following)
    return Advice(
        f"{seen}. Wait until reports cover {DAYS[following]} days and {LEAST_MAILS} of your mails before you go "
        f"on to {following}."
    )


def mta_sts(mode: str, days: int, good: int, bad: int, objection: str) -> Advice:
    """What TLS reports say about enforcing MTA-STS.

    Args:
        days: on which sessions were reported.
        objection: why it cannot be enforced, as a clause; empty: it can.
    """
    if mode == "off":
        return Advice("MTA-STS is off.")
    if not days:
        return Advice(
            f"No TLS reports yet. Before you enforce MTA-STS, wait until they cover {TLS_DAYS} days and "
            f"{LEAST_SESSIONS} sessions."
        )
    seen = f"{words.count(days, 'day')}, {words.count(good + bad, 'session')}, {bad:,} failed"
    if bad:
        return Advice(
            f"{seen}: other servers could not deliver over verified TLS. See below why.", is_warning=True
        )
    if mode == "enforce":
        return Advice(f"{seen}. The MTA-STS policy is enforced.")
    if days >= TLS_DAYS and good >= LEAST_SESSIONS:
        if objection:
            return Advice(
                f"{seen}. You cannot enforce MTA-STS yet, because {objection}. Correct that first, on the Server page."
            )
        return Advice(f"{seen}: go on to enforce.", go_on_to="enforce")
    return Advice(
        f"{seen}. Wait until reports cover {TLS_DAYS} days and {LEAST_SESSIONS} sessions before you enforce MTA-STS."
    )


def source(passed: int, failed: int, *, is_ours: bool, is_service: bool, name: str, domain: str) -> str:
    """What to do about a sender; empty: nothing."""
    if not failed:
        return ""
    if is_ours:
        return f"Your own mail fails here. Check SPF and DKIM of {domain} on its DNS records page."
    if passed:
        return "Some of it passes: probably mail of yours that was forwarded, and changed on the way."
    if is_service:
        return (
            f"If you send as {domain} through {name}, set up DKIM for the domain there. If you don't, it is "
            "forged or forwarded."
        )
    return (
        "If you don't know this sender, it is forged or forwarded: a stronger policy keeps it away. If it is "
        "yours, let it send through this node."
    )


#: Failure types of RFC 8460 §4.3 → what they mean and what to do.
TLS_FAILURES = {
    "starttls-not-supported": (
        "The mail server did not offer TLS. Check that the hostname of the MX record is this node."
    ),
    "certificate-host-mismatch": (
        "The certificate is for another name than the MX record's. Get one for the mail server's hostname."
    ),
    "certificate-expired": (
        "The certificate had expired. Renew it, and check that it is renewed automatically."
    ),
    "certificate-not-trusted": (
        "The certificate is not from an authority that others trust. Get one, for example from Let's Encrypt."
    ),
    "validation-failure": "TLS failed for another reason. If it is rare, it is probably the other server.",
    "tlsa-invalid": (
        "The TLSA record does not match the certificate. Publish the one on the DNS records page."
    ),
    "dnssec-invalid": "DNSSEC of the mail server's zone is broken. Fix it at your DNS provider.",
    "dane-required": "The other server requires DANE, and there was no usable TLSA record.",
    "sts-policy-fetch-error": "The MTA-STS policy could not be fetched. Check that https://mta-sts.… is reachable.",
    "sts-policy-invalid": "The MTA-STS policy was not valid. Check what is served at https://mta-sts.….",
    "sts-webpki-invalid": "The website of the MTA-STS policy has no valid certificate. Get one for the name mta-sts.….",
}
