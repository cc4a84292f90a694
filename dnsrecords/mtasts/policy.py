"""A domain's MTA-STS policy (RFC 8461): its text and id, where it is fetched, and whether that worked. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from dnsrecords.mtasts import body
from dnsrecords.mtasts.body import Body
from dnsrecords.verdicts import Status
from quazzar import words

PATH = "/.well-known/mta-sts.txt"
#: Seconds for which senders may keep a policy: a week.
_MAX_AGE = 604_800
_A_DAY = 86_400


class Trouble(StrEnum):
    """Why there is no answer over HTTPS."""

    NONE = "none"
    NO_ADDRESS = "no_address"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    GARBLED = "garbled"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The outcome of fetching a policy.

    Attributes:
        detail: what is wrong with TLS, in the words of the TLS library.
        status: of the HTTP answer.
        kind: the media type, in lower case and without parameters.
        text: the body.
        announced: whether there is a record that leads senders to it.
    """

    trouble: Trouble = Trouble.NONE
    detail: str = ""
    status: int = 0
    kind: str = ""
    text: str = ""
    announced: bool = True


#: Fetches the policy of the domain under judgement; None: nothing leads there, or there is no time left.
Fetch: TypeAlias = Callable[[], Fetched | None]


# --- the policy that this node serves ----------------------------------------------------------------------
def served_policy(hostname: str, mode: str) -> str:
    """The text of the policy (RFC 8461 §3.2) in a mode that the operator chose; empty: none is served.

    Args:
        mode: ``testing`` or ``enforce``; in any other there is no policy.
    """
    if not hostname or mode not in ("testing", "enforce"):
        return ""
    return f"version: STSv1\nmode: {mode}\nmx: {hostname}\nmax_age: {_MAX_AGE}\n"


def policy_id(policy: str) -> str:
    """The ``id=`` for the TXT record: 32 letters and digits that change with the policy's text."""
    return hashlib.sha256(policy.encode()).hexdigest()[:32]


def record_name(domain: str) -> str:
    """Where other servers look up whether a domain has a policy (RFC 8461 §3.1)."""
    return f"_mta-sts.{domain}"


def host(domain: str) -> str:
    """The name that senders ask for the policy of a domain."""
    return f"mta-sts.{domain}"


def url(domain: str) -> str:
    """Where senders fetch the policy (RFC 8461 §3.3)."""
    return f"https://{host(domain)}{PATH}"


# --- the policy that others get ----------------------------------------------------------------------------
#: A proxy that is down for a moment is not news, just like a name server; a wrong answer is.
_SILENT = {Trouble.REFUSED, Trouble.TIMEOUT, Trouble.UNREACHABLE}


def judge(domain: str, hostname: str, served_id: str, fetched: Fetched) -> tuple[Status, str]:
    """How the policy that senders get stands, as a status for its record and a sentence; empty: nothing to say.

    Args:
        hostname: of this node's mail server.
        served_id: `policy_id` of the policy that this node serves.
    """
    if fetched.trouble is not Trouble.NONE:
        sentence = _TROUBLES[fetched.trouble].format(
            host=host(domain), url=url(domain), detail=fetched.detail
        )
        return Status.ERROR if fetched.trouble in _SILENT else Status.MISMATCH, sentence
    if fetched.status >= 500:
        return Status.ERROR, _unused(domain, f"with the error {fetched.status}")
    found = body.parse(fetched.text)
    if mistake := _mistake(fetched) or (
        found.fault and (f"with something that is not a valid policy: {found.fault}")
    ):
        return Status.MISMATCH, _unused(domain, mistake)
    return _meaning(domain, hostname, _mode(hostname, served_id), found)


def _mode(hostname: str, served_id: str) -> str:
    """The mode in which this node serves its policy; empty: not known."""
    return next((mode for mode in body.MODES if policy_id(served_policy(hostname, mode)) == served_id), "")


def _meaning(domain: str, hostname: str, mode: str, found: Body) -> tuple[Status, str]:
    """What senders do with a valid policy when they have mail for this host (RFC 8461 §5)."""
    other = ""
    if found.mode == "none":
        other = "its mode is none, so senders need no TLS to deliver here"
    elif not found.covers(hostname):
        named = " and ".join(found.hosts[:3])
        other = f"it names {named} and not {hostname}, so senders " + (
            "that use it refuse to deliver mail here"
            if found.mode == "enforce"
            else (
                "deliver here, but report each delivery as a failure, and would refuse to deliver in mode "
                "enforce"
            )
        )
    elif mode and found.mode != mode:
        other = f"its mode is {found.mode} instead of {mode}, so senders " + (
            "refuse to deliver here without a valid certificate"
            if found.mode == "enforce"
            else "deliver here even without TLS or a valid certificate"
        )
    if other:
        urgent = " at once" if found.mode == "enforce" else ""
        return Status.MISMATCH, (
            f"But {url(domain)} answers with a policy other than this node's: {other}. Make the HTTPS "
            f"proxy pass {host(domain)} on to the console{urgent}, with the Host header unchanged."
        )
    if found.max_age < _A_DAY:
        return Status.OK, (
            f"But {url(domain)} answers with a policy that senders forget after {found.max_age} seconds (max_age), "
            "so it protects little."
        )
    return Status.OK, ""


def judge_left_over(domain: str, hostname: str, fetched: Fetched) -> tuple[Status, str]:
    """What another provider's policy means for mail to this host, if this node serves none; empty: nothing."""
    found = body.parse(fetched.text) if _is_policy(fetched) else Body(fault="nothing usable")
    if found.fault or found.mode != "enforce":
        return Status.OK, ""
    kept = words.span(timedelta(seconds=found.max_age))
    if found.covers(hostname):
        return Status.OK, (
            f"Senders insist on TLS because of a policy that this node does not serve: {url(domain)} has "
            "the mode enforce. They deliver here only while this node has a trusted certificate for that "
            "name."
        )
    named = f"which has the mode enforce and names {' and '.join(found.hosts[:3])}, and not {hostname}"
    if fetched.announced:
        return Status.MISMATCH, (
            f"Senders that use MTA-STS refuse to deliver mail here: {url(domain)} still serves a policy of "
            f"another provider, {named}. They keep it for {kept} (max_age), even if you delete records "
            f"(RFC 8461 §3.3). Switch MTA-STS on for this domain now, and point {host(domain)} to this "
            f"node. Or have the mode none served there under a new id, wait {kept}, and then delete the "
            "records (§8.3)."
        )
    return Status.OK, (
        f"The record {record_name(domain)} is gone, but {url(domain)} still serves a policy, {named}. "
        f"Senders that have fetched it refuse to deliver here for up to {kept} after that (max_age, RFC "
        f"8461 §3.3). To end this, switch MTA-STS on for this domain and point {host(domain)} to this "
        "node."
    )


def _is_policy(fetched: Fetched) -> bool:
    return fetched.trouble is Trouble.NONE and not _mistake(fetched)


_TROUBLES = {
    Trouble.NO_ADDRESS: (
        "But {host} has no address, so nobody can fetch the policy. Add the record for that name."
    ),
    Trouble.REFUSED: (
        "But nothing listens at {host}, port 443, so nobody can fetch the policy. Make the console's "
        "HTTPS proxy serve {host} as well."
    ),
    Trouble.TIMEOUT: (
        "But {url} did not answer in time from here. Open port 443. If the router does not route this "
        "node's own address back to it, check from another network."
    ),
    Trouble.UNREACHABLE: (
        "But {host} cannot be reached from here, so the policy could not be checked. Check where its "
        "records lead."
    ),
    Trouble.TLS: (
        "But TLS with {host} fails ({detail}), so senders do not use the policy. Give the console's HTTPS "
        "proxy a certificate for {host}."
    ),
    Trouble.GARBLED: (
        "But the program that answers at {host}, port 443, is not a web server. Make the console's HTTPS "
        "proxy answer there."
    ),
}


def _mistake(fetched: Fetched) -> str:
    if 300 <= fetched.status < 400:
        return f"with a redirect ({fetched.status}), which senders do not follow"
    if fetched.status != 200:
        return f"with {fetched.status} instead of the policy"
    if fetched.kind != "text/plain":
        return "with something other than plain text"
    return ""


def _unused(domain: str, how: str) -> str:
    return (
        f"But {url(domain)} answers {how}, so senders do not use the policy. Make the HTTPS proxy pass "
        f"{host(domain)} on to the console, with the Host header unchanged."
    )
