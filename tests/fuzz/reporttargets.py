"""Reports of other mail servers: anybody can send one."""

from __future__ import annotations

from dnsrecords.reports import dmarcxml, tlsjson, unpacking, values
from dnsrecords.reports.values import DmarcReport, Unfit
from tests.dnsrecords.reports.shapes import DMARC, TLS
from tests.fuzz.target import target


def check(report: values.Report) -> None:
    """Whatever a report says, it fits the columns and names nothing unprintable."""
    assert len(report.organisation) <= values.LONGEST and len(report.report_id) <= values.LONGEST
    assert report.organisation.isprintable() and report.period.begins <= report.period.ends
    if isinstance(report, DmarcReport):
        assert all(0 < each.count <= 10**12 and len(each.address) <= 45 for each in report.records)
        assert all(len(each.reason) <= 40 and len(each.signer) <= 253 for each in report.records)
    else:
        assert all(0 < each.count <= 10**12 and len(each.result) <= 40 for each in report.results)


@target(*(shape.data for shape in [*DMARC, *TLS]), refuses=(Unfit,), grows=False)
def report_file(data: bytes) -> None:
    """A file or a mail, packed or not."""
    for report in unpacking.reports(data):
        check(report)


@target(*(shape.data for shape in DMARC if shape.data.startswith(b"<")), refuses=(Unfit,))
def dmarc_report(data: bytes) -> None:
    """The XML alone."""
    check(dmarcxml.parse(data))


@target(*(shape.data for shape in TLS if shape.data.startswith(b"{")), refuses=(Unfit,))
def tls_report(data: bytes) -> None:
    """The JSON alone."""
    check(tlsjson.parse(data))
