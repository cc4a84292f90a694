"""A zone for SPF: names and values as a table, and the look-up over it."""

from __future__ import annotations

from collections.abc import Mapping

from dnsrecords.answers import Answer, Lookup, Outcome

#: "name TYPE" → values; an Outcome in their place is what the question ends in.
Zone = Mapping[str, tuple[str, ...] | str | Outcome]


def lookup_in(*zones: Zone, asked: list[str] | None = None) -> Lookup:
    """Look-ups in tables, the last first; a name that is in none of them does not exist.

    Args:
        asked: gets each question, as "name TYPE".
    """
    table = {key: value for zone in zones for key, value in zone.items()}
    names = {key.split(" ")[0] for key in table}

    def lookup(name: str, type_: str) -> Answer:
        if asked is not None:
            asked.append(f"{name} {type_}")
        entry = table.get(f"{name} {type_}")
        if isinstance(entry, Outcome):
            return Answer(name, type_, entry)
        if entry is None:
            return Answer(name, type_, Outcome.NO_DATA if name in names else Outcome.NXDOMAIN)
        return Answer(name, type_, Outcome.FOUND, (entry,) if isinstance(entry, str) else entry, 300)

    return lookup


#: RFC 7208, appendix A.
RFC_ZONE: Zone = {
    "example.com MX": ("10 mail-a.example.com", "20 mail-b.example.com"),
    "example.com A": ("192.0.2.10", "192.0.2.11"),
    "amy.example.com A": "192.0.2.65",
    "bob.example.com A": "192.0.2.66",
    "mail-a.example.com A": "192.0.2.129",
    "mail-b.example.com A": "192.0.2.130",
    "www.example.com CNAME": "example.com",
    "example.org MX": "10 mail-c.example.org",
    "mail-c.example.org A": "192.0.2.140",
    "10.2.0.192.in-addr.arpa PTR": "example.com",
    "11.2.0.192.in-addr.arpa PTR": "example.com",
    "65.2.0.192.in-addr.arpa PTR": "amy.example.com",
    "66.2.0.192.in-addr.arpa PTR": "bob.example.com",
    "129.2.0.192.in-addr.arpa PTR": "mail-a.example.com",
    "130.2.0.192.in-addr.arpa PTR": "mail-b.example.com",
    "140.2.0.192.in-addr.arpa PTR": "mail-c.example.org",
    "4.0.0.10.in-addr.arpa PTR": "bob.example.com",
}
