"""Reads reports on TLS in JSON (RFC 8460), as real reporters write them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from dnsrecords.reports import values
from dnsrecords.reports.values import OK, TlsReport, TlsResult, Unfit, Why

#: Bytes of a report; of a hostile one, each can become 25 in memory. Real ones have some thousands.
LARGEST = 4 * 1024 * 1024
_POLICIES = ("sts", "tlsa", "no-policy-found")


def parse(data: bytes) -> TlsReport:
    """The report in a JSON document.

    Raises:
        Unfit: it is no such report, or too large, or about an impossible time.
    """
    if len(data) > LARGEST:
        raise Unfit(Why.TOO_LARGE, f"The TLS report is larger than {LARGEST // 1024**2} MiB.")
    try:
        body = json.loads(data.decode("utf-8-sig"), parse_constant=str)
    except (ValueError, RecursionError) as exc:
        raise Unfit(Why.UNREADABLE, "The file is not valid JSON.") from exc
    if not isinstance(body, dict) or not isinstance(policies := body.get("policies"), list):
        raise Unfit(Why.UNREADABLE, "The JSON is no TLS report: it has no list of policies.")
    dates = _map(body.get("date-range"))
    results: list[TlsResult] = []
    for each in map(_map, policies):
        results += _results(each)
        if len(results) > values.MOST_RECORDS:
            raise Unfit(Why.TOO_LARGE, f"The report has more than {values.MOST_RECORDS:,} results.")
    return TlsReport(
        organisation=values.text(body.get("organization-name"))
        or values.text(body.get("contact-info"))
        or "(no name)",
        report_id=values.text(body.get("report-id")).strip("<>"),
        period=values.period(dates.get("start-datetime"), dates.get("end-datetime")),
        results=tuple(results),
    )


def _results(each: dict[str, Any]) -> Iterator[TlsResult]:
    policy, summary = _map(each.get("policy")), _map(each.get("summary"))
    domain = values.name(policy.get("policy-domain"))
    kind = values.word(policy.get("policy-type"))
    kind = kind if kind in _POLICIES else "other"
    if good := values.count(summary.get("total-successful-session-count")):
        yield TlsResult(domain, kind, OK, "", good)
    bad = values.count(summary.get("total-failure-session-count"))
    details = each.get("failure-details")
    for detail in map(_map, details if isinstance(details, list) else [details]):
        number = values.count(detail.get("failed-session-count"))
        if number:
            result = values.word(detail.get("result-type"))
            # "ok" is our own word for no failure.
            result = result if result and result != OK else "other"
            yield TlsResult(domain, kind, result, values.name(detail.get("receiving-mx-hostname")), number)
            bad -= number
    if bad > 0:  # failures without details
        yield TlsResult(domain, kind, "other", "", bad)


def _map(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
