"""Where a domain's MTA-STS policy is fetched (RFC 8461 §3.3), and what is to be said of what came back. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from dnsrecords.records import build as records
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dnsrecords.answers import Answer
    from dnsrecords.records.build import Facts, Record

PATH = "/.well-known/mta-sts.txt"


class Trouble(StrEnum):
    """What stood in the way of an answer."""

    NONE = "none"
    NO_ADDRESS = "no_address"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    GARBLED = "garbled"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back.

    Attributes:
        detail: of a trouble with TLS, in the words of whoever verified it.
        kind: the media type, in lower case and without parameters.
    """

    trouble: Trouble = Trouble.NONE
    detail: str = ""
    status: int = 0
    kind: str = ""
    text: str = ""


def host(domain: str) -> str:
    """The name that senders ask for the policy of a domain."""
    return f"mta-sts.{domain}"


def url(domain: str) -> str:
    """Where they fetch it."""
    return f"https://{host(domain)}{PATH}"


def questions(facts: Facts, answers: Mapping[tuple[str, str], Answer]) -> tuple[tuple[str, str], ...]:
    """What has to be known before the policy can be fetched; empty: nothing is published that leads others to it."""
    published = answers.get((records.mta_sts_name(facts.domain), "TXT"))
    if not facts.mta_sts or published is None or not published.values:
        return ()
    return ((host(facts.domain), "A"), (host(facts.domain), "AAAA"))


def judge(record: Record, verdict: Verdict, facts: Facts, fetched: Fetched | None) -> Verdict:
    """A verdict on one of the two records of MTA-STS, with what is known of the policy itself.

    Args:
        fetched: None when nobody has tried.
    """
    if fetched is None:
        return verdict
    status, sentence = _problem(facts, fetched)
    if record.id == "mta_sts" and verdict.ok and sentence:
        return replace(verdict, status=status, message=f"The record is right. {sentence}")
    if record.id == "mta_sts_host" and verdict.status is Status.MISMATCH and not sentence:
        remark = f"{record.name} leads elsewhere, but the policy that is served there is right."
        return Verdict(Status.OK, remark, verdict.found)
    return verdict


# A proxy that is down for a moment is no news, as a name server is not; what it answers wrongly is wrong.
_SILENT = {Trouble.REFUSED, Trouble.TIMEOUT, Trouble.UNREACHABLE}


def _problem(facts: Facts, fetched: Fetched) -> tuple[Status, str]:
    if fetched.trouble is not Trouble.NONE:
        status = Status.ERROR if fetched.trouble in _SILENT else Status.MISMATCH
        return status, _TROUBLES[fetched.trouble].format(
            host=host(facts.domain), url=url(facts.domain), detail=fetched.detail
        )
    if fetched.status >= 500:
        return Status.ERROR, _answered(facts, f"with the error {fetched.status}")
    sentence = _mistake(facts, fetched)
    return (Status.MISMATCH, sentence) if sentence else (Status.OK, "")


_TROUBLES = {
    Trouble.NO_ADDRESS: "But {host} has no address, so nobody can fetch the policy: add the record of that name.",
    Trouble.REFUSED: (
        "But nothing listens at {host}, port 443, so nobody can fetch the policy: let the HTTPS proxy of the console "
        "serve {host} as well."
    ),
    Trouble.TIMEOUT: (
        "But {url} did not answer in time from here: open port 443, or, if the router does not lead this node's own "
        "address back to it, look from elsewhere."
    ),
    Trouble.UNREACHABLE: (
        "But {host} cannot be reached from here, so the policy was not seen: see where its records lead."
    ),
    Trouble.TLS: (
        "But TLS with {host} fails ({detail}), so senders do not use the policy: give the HTTPS proxy of the console "
        "a certificate for {host}."
    ),
    Trouble.GARBLED: "But what answers at {host}, port 443, is no web server: let the console's HTTPS proxy do so.",
}


def _mistake(facts: Facts, fetched: Fetched) -> str:
    if 300 <= fetched.status < 400:
        return _answered(facts, f"with a redirect ({fetched.status}), which senders do not follow")
    if fetched.status != 200:
        return _answered(facts, f"with {fetched.status} instead of the policy")
    if fetched.kind != "text/plain":
        return _answered(facts, "with something else than a text")
    # Its lines may end either way (RFC 8461 §3.2).
    if records.mta_sts_id("\n".join(fetched.text.splitlines()) + "\n") != facts.mta_sts:
        return _answered(facts, "with another policy than this node's")
    return ""


def _answered(facts: Facts, how: str) -> str:
    return (
        f"But {url(facts.domain)} answers {how}, so senders do not use the policy: let the HTTPS proxy pass "
        f"{host(facts.domain)} on to the console, with the Host header as it is."
    )
