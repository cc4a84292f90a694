"""DMARC and TLS reports of other mail servers on the demo's domains, read as the product reads those that come."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import partial

from demo.loopback import RELAY
from demo.seed.clock import Event
from demo.seed.domains import BROKEN, HEAD, RIGHT, Zones
from demo.seed.people import OFFICE, Crew
from dnsrecords.reports import intake, networks

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
#: Who reports, and from which address.
_REPORTERS = (
    ("google.com", "noreply-dmarc-support@google.com"),
    ("Outlook.com", "dmarcreport@microsoft.com"),
    ("GMX", "noreply-dmarc@sicher.gmx.net"),
)
#: Address → its name, the number of its network, the network's operator, and its country (RFC 5737, RFC 5398).
_NETWORKS = {
    "192.0.2.80": (RELAY, 64496, "RELAY-EXAMPLE - Relay Example", "NL"),
    "192.0.2.25": (f"mail.{RIGHT}", 64497, "HARBOUR-NET - Harbour Fibre", "DK"),
    "198.51.100.40": ("lists.meadow.example", 64498, "MEADOW - Meadow Community Hosting", "DE"),
    "203.0.113.54": ("", 64499, "WIN-EXAMPLE - Bulk Hosting Ltd", "BZ"),
    "203.0.113.201": ("host-201.dialup.example", 64500, "DIALUP-EXAMPLE - Dialup Example", "BR"),
}
#: Domain → address, mails a day, DKIM, SPF.
_SENDERS = {
    RIGHT: (
        ("192.0.2.80", 14, True, True),
        ("192.0.2.25", 6, True, True),
        ("198.51.100.40", 2, True, False),
        ("203.0.113.54", 3, False, False),
    ),
    BROKEN: (
        ("192.0.2.80", 38, True, True),
        ("203.0.113.54", 5, False, False),
        ("203.0.113.201", 2, False, False),
    ),
}


def publish(zones: Zones) -> None:
    """What DNS says about the senders' addresses, for the questions that the product asks about them."""
    reverse: dict[str, list[str]] = {}
    origins = []
    for address, (name, number, operator, country) in _NETWORKS.items():
        *net, host = address.split(".")
        below = ".".join(reversed(net))
        reverse.setdefault(below, []).extend([f"{host} IN PTR {name}."] if name else [])
        origins.append(
            f'{host}.{below}.origin IN TXT "{number} | {".".join(net)}.0/24 | {country} | demo | 2020-01-01"'
        )
        origins.append(
            f'as{number} IN TXT "{number} | {country} | demo | 2020-01-01 | {operator}, {country}"'
        )
    zones.publish("asn.cymru.com", "\n".join([HEAD, *origins, ""]))
    for below, lines in reverse.items():
        zones.publish(f"{below}.in-addr.arpa", "\n".join([HEAD, *lines, ""]))
    zones.publish("lists.meadow.example", f"{HEAD}\n@ IN A 198.51.100.40\n")
    zones.publish("dialup.example", f"{HEAD}\nhost-201 IN A 203.0.113.201\n")


def events(crew: Crew, now: datetime) -> list[Event]:
    """How the reports came: those of the weeks before were uploaded, and the later ones came by mail, day by day."""
    dice = random.Random(8)  # noqa: S311  (no secret)

    def upload() -> None:
        with crew.by(crew.maya, now - 5 * _DAY, OFFICE):
            for ago in range(29, 4, -1):
                for data, _ in _files(now - ago * _DAY, dice):
                    intake.take(data, intake.Way.UPLOAD)

    def receive(ago: int) -> None:
        for data, sender in _files(now - ago * _DAY, dice):
            intake.take(data, intake.Way.MAIL, sender=sender, is_authenticated=True)

    def look_up() -> None:
        networks.look_up_unknown()

    came = [(now - (ago - 1) * _DAY - 3.7 * _HOUR, partial(receive, ago)) for ago in range(4, 0, -1)]
    return [
        (now - 5 * _DAY, upload),
        *came,
        (now - timedelta(minutes=6), look_up),
    ]


def _files(moment: datetime, dice: random.Random) -> Iterator[tuple[bytes, str]]:
    """What the reporters sent about that day, each with the address that it came from."""
    begin = datetime.combine(moment.date(), time(), UTC)
    for domain, senders in _SENDERS.items():
        for organisation, sender in _REPORTERS:
            records = [
                _record(domain, address, dice.randint(max(1, daily // 3), daily), dkim=dkim, spf=spf)
                for address, daily, dkim, spf in senders
                if dkim or dice.random() < 0.3
            ]
            yield gzip.compress(_dmarc(domain, organisation, begin, records)), sender
    for organisation, sender in _REPORTERS[:2]:
        yield (
            gzip.compress(_tls(organisation, begin, dice.randint(8, 30), failed=dice.random() < 0.05)),
            sender,
        )


def _record(domain: str, address: str, count: int, *, dkim: bool, spf: bool) -> str:
    """One line of a DMARC report (RFC 7489, appendix C)."""
    passed = dkim or spf
    signed = (
        f"<dkim><domain>{domain}</domain><selector>quazzar</selector><result>pass</result></dkim>"
        if dkim
        else ""
    )
    envelope = domain if spf else "bounce.example"
    return (
        f"<record><row><source_ip>{address}</source_ip><count>{count}</count><policy_evaluated>"
        f"<disposition>{'none' if passed else 'quarantine'}</disposition><dkim>{_word(dkim)}</dkim>"
        f"<spf>{_word(spf)}</spf></policy_evaluated></row><identifiers><header_from>{domain}</header_from>"
        f"</identifiers><auth_results>{signed}<spf><domain>{envelope}</domain><result>{_word(spf)}</result></spf>"
        "</auth_results></record>"
    )


def _word(passed: bool) -> str:
    return "pass" if passed else "fail"


def _dmarc(domain: str, organisation: str, begin: datetime, records: list[str]) -> bytes:
    first = int(begin.timestamp())
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><feedback><report_metadata><org_name>{organisation}</org_name>'
        f"<email>dmarc@{organisation.lower()}</email><report_id>{first}.{domain}</report_id><date_range>"
        f"<begin>{first}</begin><end>{first + 86_399}</end></date_range></report_metadata><policy_published>"
        f"<domain>{domain}</domain><adkim>r</adkim><aspf>r</aspf><p>quarantine</p><sp>quarantine</sp><pct>100</pct>"
        f"</policy_published>{''.join(records)}</feedback>"
    ).encode()


def _tls(organisation: str, begin: datetime, sessions: int, *, failed: bool) -> bytes:
    """A report on TLS to the mail server of RIGHT (RFC 8460 §4)."""
    failure = {
        "result-type": "certificate-expired",
        "receiving-mx-hostname": f"mail.{RIGHT}",
        "failed-session-count": 2,
    }
    policy = {
        "policy": {"policy-type": "no-policy-found", "policy-domain": RIGHT},
        "summary": {"total-successful-session-count": sessions, "total-failure-session-count": 2 * failed},
        "failure-details": [failure] * failed,
    }
    report = {
        "organization-name": organisation,
        "date-range": {
            "start-datetime": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
            "end-datetime": f"{begin + _DAY - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}",
        },
        "contact-info": f"smtp-tls-reporting@{organisation.lower()}",
        "report-id": f"{begin:%Y-%m-%d}.{RIGHT}",
        "policies": [policy],
    }
    return json.dumps(report).encode()
