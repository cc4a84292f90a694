"""Whom an arrived mail is from, as receivers find out: SPF, DKIM, their agreement with From, and the policy. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnsrecords.dkim import verify
from dnsrecords.dkim.verify import Signature
from dnsrecords.dmarc import walk
from dnsrecords.dmarc.alignment import Alignment
from dnsrecords.dmarc.policy import is_policy
from dnsrecords.faults import failed
from dnsrecords.proof.judging.verdict import Check, Mark
from dnsrecords.spf import evaluate
from dnsrecords.spf.evaluate import Result, SpfResult
from quazzar import words

if TYPE_CHECKING:
    from dnsrecords.answers import Lookup
    from dnsrecords.proof.judging.arrived import Arrived

DNS_PAGE: Final = "admin:dns_overview"
_PASTE = "The DNS records page shows what to publish."


@dataclass(frozen=True, slots=True)
class Client:
    """Who handed the mail to the receiving side.

    Attributes:
        ip: empty: not known, or hidden by address translation.
        helo: what it called itself.
    """

    ip: str = ""
    helo: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What was found.

    Attributes:
        spf: None: the sender's address or the envelope sender is not known.
        spf_domain: the domain that SPF is about.
        passed: domains that SPF or a signature proves, and ``aligned`` those of them that agree with From.
    """

    domain: str
    spf: SpfResult | None
    spf_domain: str
    signatures: tuple[Signature, ...]
    passed: tuple[str, ...]
    aligned: tuple[str, ...]
    alignment: Alignment


def find(mail: Arrived, sender: str, client: Client, lookup: Lookup) -> Identity:
    """Evaluates SPF, the signatures and their alignment.

    Args:
        sender: the envelope sender; empty: not known.
    """
    domain = mail.domain
    alignment = Alignment.of(domain, lookup)
    spf_domain = sender.rpartition("@")[2].lower() or client.helo
    spf = None
    if client.ip and spf_domain:
        spf = evaluate.evaluate(spf_domain, client.ip, sender, client.helo or spf_domain, lookup)
    signatures = verify.signatures(mail.raw, lookup)
    by_spf = [spf_domain] if spf is not None and spf.result is Result.PASS else []
    by_dkim = [each.domain for each in signatures if each.valid]
    aligned = [
        *(each for each in by_spf if alignment.holds(each, "aspf")),
        *(each for each in by_dkim if alignment.holds(each, "adkim")),
    ]
    passed = dict.fromkeys([*by_spf, *by_dkim])
    return Identity(
        domain, spf, spf_domain, signatures, tuple(passed), tuple(dict.fromkeys(aligned)), alignment
    )


def checks(found: Identity, mail: Arrived, client: Client) -> tuple[Check, ...]:
    """The four checks, and what the receiving server says about them."""
    policy = _policy(found)
    return (
        _spf(found, mail, client),
        _dkim(found, mail),
        _alignment(found, mail),
        policy,
        *_second_opinion(found, mail),
    )


# --- SPF -----------------------------------------------------------------------------------------------------
def _spf(found: Identity, mail: Arrived, client: Client) -> Check:
    spf, domain = found.spf, found.spf_domain
    if spf is None:
        return _unknown_spf(mail)
    if spf.result is Result.PASS:
        return Check("spf", Mark.OK, f"SPF lets {client.ip} send for {domain}.")
    if spf.result is Result.TEMPERROR:
        return Check(
            "spf", Mark.UNKNOWN, f"SPF could not be evaluated: {spf.reason}", "Try again in a few minutes."
        )
    if spf.result is Result.NONE:
        return Check(
            "spf",
            Mark.BAD,
            f"{domain} has no SPF record, so nothing says that {client.ip} may send for it.",
            f"Publish an SPF record for {domain}. {_PASTE}",
            DNS_PAGE,
        )
    if spf.result is Result.PERMERROR:
        return Check(
            "spf",
            Mark.BAD,
            f"The SPF record of {domain} is invalid: {spf.reason}",
            f"Correct it. {_PASTE}",
            DNS_PAGE,
        )
    return Check(
        "spf",
        Mark.BAD,
        f"SPF does not let {client.ip} send for {domain} ({spf.result}). {spf.reason}",
        f"Add {client.ip}, or the provider that sends from it, to the SPF record of {domain}. {_PASTE}",
        DNS_PAGE,
    )


def _unknown_spf(mail: Arrived) -> Check:
    if said := mail.results.get("spf"):
        mark = Mark.OK if said == "pass" else Mark.BAD
        remedy = "" if mark is Mark.OK else _PASTE
        return Check(
            "spf",
            mark,
            f"{_verifier(mail)} says about SPF: {said}.",
            remedy,
            "" if mark is Mark.OK else DNS_PAGE,
        )
    return Check(
        "spf",
        Mark.UNKNOWN,
        "SPF cannot be judged: the header does not show the address that the mail came from.",
    )


# --- DKIM ----------------------------------------------------------------------------------------------------
def _dkim(found: Identity, mail: Arrived) -> Check:
    valid = [each for each in found.signatures if each.valid]
    ours = [each for each in found.signatures if found.alignment.holds(each.domain, "adkim")]
    broken = [each for each in ours if each.valid is False]
    unheard = [each for each in found.signatures if each.valid is None]
    if not found.signatures:
        return Check(
            "dkim",
            Mark.BAD,
            "The mail carries no DKIM signature.",
            "Switch DKIM on where the mail is sent: at the provider, or in the mail server for this domain.",
        )
    if broken and not any(each.valid for each in ours):
        return _broken(broken[0], mail)
    if valid:
        names = words.listed([*dict.fromkeys(f"{each.domain} (selector {each.selector})" for each in valid)])
        return Check("dkim", Mark.OK, f"The DKIM signature of {names} is valid.")
    if unheard:
        return Check(
            "dkim", Mark.UNKNOWN, f"The signature could not be verified: {unheard[0].reason}.", "Try again."
        )
    return _broken(found.signatures[0], mail)


def _broken(signature: Signature, mail: Arrived) -> Check:
    if signature.cause in ("body", "mismatch") and not mail.is_whole:
        return _from_header_alone(signature, mail)
    who = f"The DKIM signature of {signature.domain}" if signature.domain else "The DKIM signature"
    sentence = f"{who} is not valid: {signature.reason}."
    if signature.cause == "body":
        remedy = "Find out which server on the way rewrites mail, such as one that adds a footer, and sign after it."
        return Check("dkim", Mark.BAD, sentence, remedy)
    if signature.cause == "broken":
        return Check("dkim", Mark.BAD, sentence, "Look at the server that signs.")
    remedy = (
        f"Publish the public key that belongs to selector {signature.selector}. The DNS records page shows the keys of "
        "this node; a provider shows its own."
    )
    return Check("dkim", Mark.BAD, sentence, remedy, DNS_PAGE)


def _from_header_alone(signature: Signature, mail: Arrived) -> Check:
    """What was pasted may have other line breaks than the mail had, so that nothing follows from a mismatch."""
    if said := mail.results.get("dkim"):
        mark = Mark.OK if said == "pass" else Mark.BAD
        remedy = "" if mark is Mark.OK else _PASTE
        page = "" if mark is Mark.OK else DNS_PAGE
        return Check("dkim", mark, f"{_verifier(mail)} says about the DKIM signature: {said}.", remedy, page)
    return Check(
        "dkim",
        Mark.UNKNOWN,
        f"The signature of {signature.domain} cannot be verified from the header alone.",
        "Forward the mail as an attachment to an inbox that Quazzar reads, or send the proof to such an inbox.",
    )


# --- DMARC ---------------------------------------------------------------------------------------------------
def _alignment(found: Identity, mail: Arrived) -> Check:
    if not found.domain:
        return Check("alignment", Mark.BAD, "The mail has no address in From.")
    if found.aligned:
        names = words.listed(list(found.aligned))
        return Check(
            "alignment", Mark.OK, f"{names} agrees with {found.domain} in From, so the sender is proven."
        )
    if found.passed:
        names = words.listed(list(found.passed))
        return Check(
            "alignment",
            Mark.BAD,
            f"What was proven is {names}, but the mail says it is from {found.domain}.",
            f"Have the mail signed by {found.domain}: verify that domain at the provider, and publish the DKIM record "
            "that the provider shows.",
            DNS_PAGE,
        )
    if mail.results.get("dmarc") == "pass":
        return Check(
            "alignment", Mark.OK, f"{_verifier(mail)} says that the sender of {found.domain} is proven."
        )
    return Check(
        "alignment", Mark.UNKNOWN, "Neither SPF nor DKIM proved anything that could agree with From."
    )


def _policy(found: Identity) -> Check:
    domain, lookup = found.domain, found.alignment.lookup
    if not domain:
        return Check("dmarc", Mark.UNKNOWN, "Without a domain in From there is no DMARC policy.")
    if trouble := _trouble(domain, lookup):
        return trouble
    applying = found.alignment.applying
    if applying is None:
        return Check(
            "dmarc",
            Mark.BAD,
            f"{domain} has no DMARC policy. Large providers refuse mail from domains without one.",
            f"Publish a TXT record at _dmarc.{domain}. {_PASTE}",
            DNS_PAGE,
        )
    where, policy = applying
    if policy.fatal:
        return Check(
            "dmarc",
            Mark.BAD,
            f"The DMARC policy of {where} is not followed: {policy.fatal}.",
            f"Correct the TXT record at _dmarc.{where}. {_PASTE}",
            DNS_PAGE,
        )
    said = policy.in_effect(policy.policy if where == domain else policy.subdomains)
    if said == "none":
        return Check(
            "dmarc",
            Mark.WARNING,
            f"The DMARC policy of {where} is none: it protects nobody from mail that only claims to be from there.",
            "Once the reports show that your own mail passes, choose quarantine.",
            DNS_PAGE,
        )
    if found.aligned:
        return Check("dmarc", Mark.OK, f"DMARC passes, and the policy of {where} is {said}.")
    if said == "reject":
        follows = "to refuse mail that fails like this one"
    else:
        follows = "to treat mail that fails like this one as spam"
    return Check("dmarc", Mark.WARNING, f"The DMARC policy of {where} asks other servers {follows}.")


def _trouble(domain: str, lookup: Lookup) -> Check | None:
    name = walk.record_name(domain)
    answer = lookup(name, "TXT")
    if failed(answer.outcome):
        return Check(
            "dmarc",
            Mark.UNKNOWN,
            f"The DMARC policy of {domain} could not be looked up.",
            "Try again in a few minutes.",
        )
    records = [text for text in answer.values if is_policy(text)]
    if len(records) > 1:
        return Check(
            "dmarc",
            Mark.BAD,
            f"{domain} has {len(records)} DMARC records, so other servers follow none of them.",
            f"Remove all but one at {name}.",
            DNS_PAGE,
        )
    if answer.values and not records:
        return Check(
            "dmarc",
            Mark.BAD,
            f"What is published at {name} is not a DMARC record: it does not begin with v=DMARC1.",
            f"Replace it. {_PASTE}",
            DNS_PAGE,
        )
    return None


# --- the receiving server ------------------------------------------------------------------------------------
def _verifier(mail: Arrived) -> str:
    return mail.verifier or "The receiving server"


def _second_opinion(found: Identity, mail: Arrived) -> list[Check]:
    """What the receiving server said, where that differs from what was found here."""
    said = mail.results.get("dmarc", "")
    if not said or not mail.is_whole or said in ("none", "temperror", "bestguesspass"):
        return []
    passes = bool(found.aligned)
    if passes == (said == "pass"):
        return [Check("receiver", Mark.OK, f"{_verifier(mail)} came to the same result: dmarc={said}.")]
    if passes:
        return [
            Check(
                "receiver",
                Mark.WARNING,
                f"{_verifier(mail)} came to another result: dmarc={said}.",
                "DNS may have changed since, or that server sees other records. Send another proof in an hour.",
            )
        ]
    return [
        Check(
            "receiver",
            Mark.WARNING,
            f"{_verifier(mail)} accepted it, though: dmarc=pass.",
            "A record may have changed since the mail arrived. Send another proof.",
        )
    ]
