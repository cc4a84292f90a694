"""One SPF record out of those that are published and what this node needs, and sentences about them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.spf.evaluate import LOOKUP_LIMIT, VOID_LIMIT
from dnsrecords.spf.repair import misread
from dnsrecords.spf.terms import VERSION, Mechanism, Modifier, SpfRecord
from dnsrecords.text.mistakes import mistake
from dnsrecords.text.taglists import shown
from quazzar import words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from dnsrecords.spf.evaluate import Cost
    from dnsrecords.spf.terms import Fault, Term

REPLACE = "Replace it with the suggested record."


# --- the merged record -------------------------------------------------------------------------------------
def merged(
    records: Sequence[SpfRecord], ours: Iterable[Mechanism] = (), dropped: Collection[str] = ()
) -> SpfRecord:
    """One record that says everything that the records say, and has our mechanisms.

    Ours stand before the first term that does not say pass, which is ``all`` as a rule: the first match decides.

    Args:
        records: with no other terms than valid ones.
        dropped: terms, as text, that break the record and are left out.
    """
    ours = tuple(dict.fromkeys(ours))
    keys_of_ours = {_key(term) for term in ours}
    terms = [term for record in records for term in record.terms if str(term) not in dropped]
    ends = [term.qualifier for term in _mechanisms(terms) if term.kind == "all"]
    others = [term for key, term in _kept(records, dropped).items() if key not in keys_of_ours]
    at = next((index for index, term in enumerate(others) if term.qualifier != "+"), len(others))
    body = [*others[:at], *ours, *others[at:]]
    redirects = _redirects([record for record in records if not record.all], dropped)
    # Beside an all, a redirect is void (§6.1); it stays so.
    void = _redirects([record for record in records if record.all], dropped)[:1]
    if len(redirects) == 1 and not ends:
        return SpfRecord((*body, *_rest(terms), Modifier("redirect", redirects[0])))
    # One record can go on in one other only: the rest is included, where an end of its own does not count.
    body += [Mechanism("include", domain=domain) for domain in redirects]
    kept_void = [Modifier("redirect", domain) for domain in void if not redirects]
    return SpfRecord((*body, Mechanism("all", _end(ends)), *_rest(terms), *kept_void))


def _kept(records: Sequence[SpfRecord], dropped: Collection[str]) -> dict[tuple[object, ...], Mechanism]:
    """Each mechanism once: within a record the first, which decides; of several records the mildest."""
    kept: dict[tuple[object, ...], Mechanism] = {}
    for record in records:
        seen: set[tuple[object, ...]] = set()
        for term in record.mechanisms:
            key = _key(term)
            if term.kind == "all" or str(term) in dropped or key in seen:
                continue
            seen.add(key)
            if key not in kept or (term.qualifier == "+" and kept[key].qualifier != "+"):
                kept[key] = term
    return kept


def _redirects(records: Iterable[SpfRecord], dropped: Collection[str]) -> list[str]:
    terms = [term for record in records for term in record.modifiers if term.name == "redirect"]
    return list(dict.fromkeys(term.value for term in terms if str(term) not in dropped))


def _end(qualifiers: list[str]) -> str:
    """The mildest safe qualifier: the author of two records meant to lose no mail; ``+`` and ``?`` do not protect."""
    return "-" if qualifiers and set(qualifiers) == {"-"} else "~"


def _mechanisms(terms: Iterable[Term]) -> list[Mechanism]:
    return [term for term in terms if isinstance(term, Mechanism)]


def ignored(texts: Iterable[str]) -> str:
    """About texts beside the record that were meant to be records as well."""
    return (
        f"Receivers do not recognise another text there as an SPF record: {', '.join(map(shown, texts))}. "
        "If you still need it, replace both with the suggested record; otherwise delete it."
    )


def _modifiers(terms: Iterable[Term]) -> list[Modifier]:
    return [term for term in terms if isinstance(term, Modifier)]


def _rest(terms: Iterable[Term]) -> tuple[Modifier, ...]:
    """The modifiers other than redirect; of several with one name the first."""
    kept = {term.name: term for term in reversed(_modifiers(terms)) if term.name != "redirect"}
    return tuple(reversed(kept.values()))


def _key(term: Mechanism) -> tuple[object, ...]:
    """What makes two mechanisms match the same senders."""
    network = term.network.network if term.network else None
    return term.kind, term.domain.lower().removesuffix("."), network, term.prefix4, term.prefix6


def stands_in(term: Mechanism, record: SpfRecord) -> bool:
    """Whether a record says pass where a term would, before anything else could decide."""
    for mechanism in record.mechanisms:
        if mechanism.qualifier != "+":
            return False
        if _key(mechanism) == _key(term):
            return True
    return False


# --- sentences ---------------------------------------------------------------------------------------------
def missing(domain: str) -> str:
    """About a domain without a record."""
    return (
        f"There is no SPF record at {domain}, so other servers cannot tell this node's mail from forged mail. "
        "Publish the suggested record."
    )


def unreadable(text: str) -> str:
    """About a text that was meant to be a record."""
    why = mistake(text, VERSION)
    return (
        f"Receivers find no SPF record, because the text there does not begin with {VERSION} and a space. "
        + (why or REPLACE)
    )


def several(count: int) -> str:
    """About a domain with more than one record."""
    return (
        f"There are {count} SPF records, so every check of them ends in an error (RFC 7208 §4.5). Delete "
        "them all, and publish the suggested one, which combines them."
    )


def malformed(fault: Fault) -> str:
    """About a term that is wrong."""
    return f"Receivers reject the whole SPF record, because {fault}. {REPLACE}"


def broken(reason: str, *, mends: bool) -> str:
    """About a record that reads well and still ends in an error."""
    what = REPLACE if mends else "Remove the term that causes it."
    return f"Every check of the SPF record can end in an error. {reason} {what}"


def changed(mended: Iterable[tuple[str, str]], left_out: Collection[str]) -> str:
    """How the record to paste differs from the published one, beside what was added.

    Args:
        mended: (as written, as read).
        left_out: terms, each with why where that was not said before: `"x" names no domain`.
    """
    sentences = [f'"{right}" was probably meant instead of "{written}".' for written, right in mended]
    if left_out:
        one = len(left_out) == 1
        sentences.append(
            f"The suggested record leaves out {words.count(len(left_out), 'term')}: {'; '.join(left_out)}. "
            f"Correct and add {'it if it still sends' if one else 'the ones that still send'} mail."
        )
    return " ".join(sentences)


def too_many(cost: Cost, which: str = "The SPF record") -> str:
    """About a record that needs too many look-ups: which terms cost the most."""
    costs = [(count, term) for term, count in cost.by_term if count > 1]
    dearest = sorted(costs, key=lambda cost_and_term: -cost_and_term[0])[:3]
    listed = ", ".join(f'"{term}" ({count})' for count, term in dearest)
    return (
        f"{which} needs {cost.lookups} look-ups in DNS, and receivers stop with an error after "
        f"{LOOKUP_LIMIT} (RFC 7208 §4.6.4). Remove the services that no longer send mail for this "
        f"domain{f'; most are needed by {listed}' if listed else ''}."
    )


def saved(cost: Cost, after: Cost) -> str:
    """About a record that was brought below the limit by naming addresses instead of hosts."""
    return (
        f"The SPF record needs {cost.lookups} look-ups in DNS, and receivers stop with an error after {LOOKUP_LIMIT} "
        f"(RFC 7208 §4.6.4). {REPLACE[:-1]}, which needs {after.lookups}."
    )


def voids(cost: Cost, *, mends: bool) -> str:
    """About names that are not there."""
    what = REPLACE if mends else "Remove the terms that name them."
    return (
        f"The SPF record asks for {cost.voids} names that DNS does not have ({', '.join(cost.empty[:3])}), and "
        f"receivers stop with an error after {VOID_LIMIT} (RFC 7208 §4.6.4). {what}"
    )


def everybody(matched: str) -> str:
    """About a record with a term that every sender matches."""
    term = "+all" if matched == "all" else matched
    return f'"{term}" lets anyone send as this domain, so the SPF record gives no protection. {REPLACE}'


def toothless(record: SpfRecord) -> str:
    """About a record that says nothing about strangers."""
    what = f'The SPF record ends in "{record.all}"' if record.all else "The SPF record does not end in an all"
    if record.redirect:
        what = f'"redirect={record.redirect}" leads to a record that does not end in -all or ~all'
    return f"{what}, so receivers do not treat mail from strangers as suspicious. {REPLACE}"


def not_ours(ip: str, matched: str) -> str:
    """About a record that does not let one of our addresses pass."""
    why = f'"{matched}" decides' if matched else "no term is about it"
    return f"The SPF record does not authorise {ip}, an address of this node: {why}. {REPLACE}"


def address_not_known() -> str:
    """About a node behind another address."""
    return (
        "Whether it lets this node send is unknown, because from here the hostname only has addresses "
        "that others cannot reach. Set QUAZZAR_PUBLIC_ADDRESSES to the addresses by which other servers "
        "see this node."
    )


def no_mail_host_yet(domain: str, ip: str) -> str:
    """About a record that is right as soon as the MX record is published."""
    return (
        f'The "mx" of the SPF record authorises the mail hosts of {domain}, but none of them leads to {ip} yet. '
        "Publish the MX record, and the address of its host."
    )


def not_the_relay(terms: Iterable[Mechanism]) -> str:
    """About a record that leaves out what the relay needs."""
    return (
        "The SPF record does not authorise every server that sends this domain's mail: "
        f"{_quoted(map(str, terms))} is missing. {REPLACE}"
    )


def remark(record: SpfRecord, cost: Cost) -> str:
    """What is worth knowing about a record that is right."""
    for term in record.modifiers:
        if right := misread(term):
            return f'Receivers ignore "{term}". "{right}" was probably meant.'
        if term.name == "redirect" and record.all:
            return f'Receivers ignore "{term}" because of "{record.all}".'
    kinds = [mechanism.kind for mechanism in record.mechanisms]
    if after := record.mechanisms[kinds.index("all") + 1 :] if "all" in kinds else ():
        return f"{_quoted(map(str, after))} comes after the all, where receivers stop reading."
    if cost.lookups >= LOOKUP_LIMIT - 1:
        return f"The record needs {cost.lookups} of the {LOOKUP_LIMIT} look-ups that receivers allow."
    return ""


def _quoted(terms: Iterable[str]) -> str:
    return ", ".join(f'"{term}"' for term in terms)
