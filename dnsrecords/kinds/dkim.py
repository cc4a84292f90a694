"""DKIM: the public keys by which others verify signatures. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from dnsrecords.dkim import judge as dkim
from dnsrecords.kinds.kind import TextKind
from dnsrecords.names import dkim_name
from dnsrecords.records.record import FURTHER_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer, Lookup
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record
    from dnsrecords.verdicts import Verdict

#: What precedes the 32 bytes in an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4).
_ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")


class SigningKey(TextKind):
    """The key that signs the domain's mail (RFC 6376 §3.6.1)."""

    key = "dkim"
    label = "DKIM"
    required = True
    not_yet = "There is no key yet. It is created when you enable the mail server."
    strays = True
    marker = "v=DKIM1"

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record; without a value until there is a key."""
        purpose = (
            "Holds the public key that other mail servers use to verify the signature on mail from "
            f"{facts.domain}."
        )
        yield self.record(dkim_name(facts.selector, facts.domain), key_record(facts.dkim_public_key), purpose)

    def compare(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether verifiers find this key, and use it for mail."""
        return dkim.judge(record, answer)

    def recognises(self, record: Record, facts: Facts, value: str) -> bool:
        """Whether the text holds this domain's public key, whatever its other tags are."""
        key = dkim.parse(value).key
        return bool(key) and key == dkim.parse(record.value).key

    def rules_out(self, value: str) -> bool:
        """Everything: at the name of a selector nothing else has a place."""
        return True


class FurtherKey(SigningKey):
    """A key that does not sign yet, or no longer, or that makes the second signature."""

    key = "dkim_key"
    required = False

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record for each such key; its id is ``dkim_`` and the selector."""
        for selector, public_key in facts.extra_keys:
            purpose = "Holds the next key. It starts to sign once every name server has this record."
            if selector in facts.retired_keys:
                purpose = "Holds the key that signed before. Mail signed with it may still be in transit."
            if _bare_ed25519(public_key):
                purpose = "Holds the Ed25519 key of the second signature, for servers that support it."
            yield self.record(
                dkim_name(selector, facts.domain),
                key_record(public_key),
                purpose,
                record_id=f"{FURTHER_KEY}{selector}",
            )


def key_record(public_key: str) -> str:
    """The record of a public key; empty without one, because an empty ``p=`` revokes.

    Args:
        public_key: base64 of SubjectPublicKeyInfo; of Ed25519 also the bare 32 bytes, which is how it is published.
    """
    if not public_key:
        return ""
    bare = _bare_ed25519(public_key)
    return f"v=DKIM1; k=ed25519; p={bare}" if bare else f"v=DKIM1; k=rsa; p={public_key}"


def _bare_ed25519(public_key: str) -> str:
    """The bare key in base64 (RFC 8463 §4.2); empty for any other kind of key."""
    try:
        key = base64.b64decode(public_key, validate=True)
    except binascii.Error:
        return ""
    key = key.removeprefix(_ED25519_PREFIX)
    return base64.b64encode(key).decode("ascii") if len(key) == 32 else ""
