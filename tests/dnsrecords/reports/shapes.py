"""Reports in the shapes that real reporters send, with what each says.

Written by hand after the published forms and after what these reporters are known to send; the source stands at each.
All are about example.com on 20 November 2026, unless a shape needs something else.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from dataclasses import dataclass, field
from email.message import EmailMessage

BEGIN, END = 1795132800, 1795219199


@dataclass(frozen=True)
class Shape:
    """A file, and what has to be read in it.

    Attributes:
        mails: address → (passed, failed), of DMARC; ``sessions``: result → number, of TLS.
    """

    name: str
    data: bytes
    organisation: str
    report_id: str
    policy: str = ""
    mails: dict[str, tuple[int, int]] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)
    signers: tuple[str, ...] = ()


def zipped(data: bytes, name: str = "report.xml") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return packed.getvalue()


def mail(data: bytes, type_: str, name: str = "", *, sender: str = "noreply@reporter.example") -> bytes:
    """A mail with a text and the report as an attachment."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        sender,
        "dmarc@example.com",
        "Report Domain: example.com",
    )
    message.set_content("This is an aggregate report.\n")
    main, _, sub = type_.partition("/")
    message.add_attachment(data, maintype=main, subtype=sub, filename=name or None)
    return message.as_bytes()


def record(
    address: str, count: object = 1, dkim: str = "pass", spf: str = "pass", more: str = "", auth: str = ""
) -> str:
    return (
        f"<record><row><source_ip>{address}</source_ip><count>{count}</count><policy_evaluated>"
        f"<disposition>none</disposition><dkim>{dkim}</dkim><spf>{spf}</spf>{more}</policy_evaluated></row>"
        f"<identifiers><header_from>example.com</header_from></identifiers><auth_results>{auth}</auth_results></record>"
    )


def document(
    *records: str,
    org: str = "reporter.example",
    number: str = "1",
    policy: str = "none",
    domain: str = "example.com",
    begin: object = BEGIN,
    end: object = END,
    root: str = "<feedback>",
    head: str = '<?xml version="1.0" encoding="UTF-8" ?>\n',
    meta: str = "",
) -> bytes:
    return (
        f"{head}{root}<report_metadata><org_name>{org}</org_name><email>dmarc@{domain}</email>"
        f"<report_id>{number}</report_id><date_range><begin>{begin}</begin><end>{end}</end></date_range>{meta}"
        f"</report_metadata><policy_published><domain>{domain}</domain><adkim>r</adkim><aspf>r</aspf><p>{policy}</p>"
        f"<sp>{policy}</sp><pct>100</pct></policy_published>{''.join(records)}</feedback>"
    ).encode()


def tls(org: str, number: str, *policies: object, **more: object) -> bytes:
    body = {
        "organization-name": org,
        "date-range": {"start-datetime": "2026-11-20T00:00:00Z", "end-datetime": "2026-11-20T23:59:59Z"},
        "contact-info": "smtp-tls-reporting@reporter.example",
        "report-id": number,
        "policies": policies,
    }
    return json.dumps({**body, **more}, indent=1).encode()


PASS = record("192.0.2.10", 3)
BOTH = {"192.0.2.10": (3, 0)}
STS = {
    "policy-type": "sts",
    "policy-string": ["version: STSv1", "mode: testing"],
    "policy-domain": "example.com",
}

DMARC = [
    # RFC 7489 appendix C, with the namespace of its schema on every element.
    Shape(
        "rfc7489-namespace",
        document(PASS, root='<feedback xmlns="http://dmarc.org/dmarc-xml/0.1"><version>1.0</version>'),
        "reporter.example", "1", "none", BOTH,
    ),
    # The same with a prefix, which the schema allows.
    Shape(
        "rfc7489-prefix",
        document(PASS)
        .replace(b"<feedback>", b'<d:feedback xmlns:d="http://dmarc.org/dmarc-xml/0.1">')
        .replace(b"</feedback>", b"</d:feedback>"),
        "reporter.example", "1", "none", BOTH,
    ),
    # RFC 9990 appendix B: namespace, generator, np, testing, discovery_method, and the disposition "pass".
    Shape(
        "rfc9990",
        b"""<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><version>1.0</version><report_metadata>
<org_name>Sample Reporter</org_name><email>report_sender@reporter.example</email><report_id>3v98abbp8ya9n3va8yr8oa3ya</report_id>
<date_range><begin>1795132800</begin><end>1795219199</end></date_range><generator>Aggregate Reporter v1.2</generator>
</report_metadata><policy_published><domain>example.com</domain><p>quarantine</p><sp>none</sp><np>reject</np><testing>n</testing>
<discovery_method>treewalk</discovery_method></policy_published><record><row><source_ip>192.0.2.123</source_ip><count>123</count>
<policy_evaluated><disposition>pass</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers>
<envelope_from>example.com</envelope_from><header_from>example.com</header_from></identifiers><auth_results><dkim>
<domain>example.com</domain><selector>quazzar</selector><result>pass</result></dkim><spf><domain>example.com</domain><scope>mfrom</scope>
<result>fail</result></spf></auth_results><extensions><x:seen xmlns:x="urn:x">1</x:seen></extensions></record></feedback>""",
        "Sample Reporter", "3v98abbp8ya9n3va8yr8oa3ya", "quarantine", {"192.0.2.123": (123, 0)}, signers=("example.com",),
    ),
    # The example of dmarc.org's FAQ, an older draft: a comment first, no version, human_result.
    Shape(
        "draft-of-the-faq",
        document(
            record("192.0.2.94", 2, "fail", "pass", auth="<dkim><domain>example.com</domain><result>fail</result><human_result/></dkim>"),
            head='<?xml version="1.0" encoding="UTF-8" ?>\n<!-- an out-of-date draft -->\n', org="acme.com", number="9391651994964116463",
        ),
        "acme.com", "9391651994964116463", "none", {"192.0.2.94": (2, 0)},
    ),
    # The first drafts said identities (draft-kucherawy-dmarc-base-00).
    Shape(
        "draft-identities",
        document(PASS).replace(b"identifiers>", b"identities>"), "reporter.example", "1", "none", BOTH,
    ),
    # Google: a mail whose only part is the zip, several signatures in one record, a mailing list let through.
    Shape(
        "google",
        b"From: noreply-dmarc-support@google.com\r\nTo: dmarc@example.com\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: application/zip; name="google.com!example.com!1795132800!1795219199.zip"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(zipped(document(
            record("192.0.2.10", 3, auth="<dkim><domain>example.com</domain><result>pass</result><selector>quazzar</selector></dkim>"
                   "<dkim><domain>list.example</domain><result>pass</result></dkim><spf><domain>example.com</domain><result>pass</result></spf>"),
            record("203.0.113.5", 1, "fail", "fail",
                   "<reason><type>local_policy</type><comment>arc=pass</comment></reason>",
                   "<dkim><domain>example.com</domain><result>fail</result></dkim><spf><domain>list.example</domain><result>pass</result></spf>"),
            org="google.com", number="949348866075514174", policy="quarantine",
            meta="<extra_contact_info>https://support.google.com/a/answer/2466580</extra_contact_info>",
        ))),
        "google.com", "949348866075514174", "quarantine", {"192.0.2.10": (3, 0), "203.0.113.5": (0, 1)},
        signers=("example.com", "list.example"),
    ),
    # Microsoft: schema namespaces that nothing uses, envelope_to, gzip.
    Shape(
        "microsoft",
        mail(gzip.compress(document(
            record("192.0.2.10", 3), org="Outlook.com", number="cfeafefe4129445e8c81018bd9177197",
            root='<feedback xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><version>1.0</version>',
            head='<?xml version="1.0"?>\n',
        ).replace(b"<identifiers>", b"<identifiers><envelope_to>hotmail.com</envelope_to><envelope_from>example.com</envelope_from>")),
            "application/gzip", "protection.outlook.com!example.com!1795132800!1795219199.xml.gz"),
        "Outlook.com", "cfeafefe4129445e8c81018bd9177197", "none", BOTH,
    ),
    # Yahoo: blank lines before the declaration, an id with a dot, other result words, gzip called application/gzip.
    Shape(
        "yahoo",
        mail(gzip.compress(b"\n\n" + document(
            record("192.0.2.10", 3, auth="<dkim><domain>example.com</domain><selector>s</selector><result>permerror</result></dkim>"),
            org="Yahoo", number="1795219200.512345")), "application/gzip"),
        "Yahoo", "1795219200.512345", "none", BOTH,
    ),
    # Mail.ru: every element on a line of its own with blanks around the text, several SPF results.
    Shape(
        "mail.ru",
        document(record("192.0.2.10", 3, auth="<spf><domain>other.example</domain><result>softfail</result></spf><spf><domain>example.com</domain><result>pass</result></spf>"),
                 org="Mail.Ru", number="36103261851236714931795132800").replace(b">", b">\n  ").replace(b"</", b"\n </"),
        "Mail.Ru", "36103261851236714931795132800", "none", BOTH, signers=("example.com",),
    ),
    # Fastmail: an error of the reporter, gzip as application/octet-stream without a name.
    Shape(
        "fastmail",
        mail(gzip.compress(document(PASS, org="FastMail Pty Ltd", number="102675056", meta="<error>Sorry, one hour is missing</error>")),
             "application/octet-stream"),
        "FastMail Pty Ltd", "102675056", "none", BOTH,
    ),
    # Comcast: no sp and no pct, a zip whose type claims gzip.
    Shape(
        "comcast",
        mail(zipped(document(PASS, org="Comcast", number="2bc7").replace(b"<sp>none</sp><pct>100</pct>", b"")), "application/gzip", "r.xml.gz"),
        "Comcast", "2bc7", "none", BOTH,
    ),
    # GMX and WEB.DE belong to "1&1", which is not always escaped.
    Shape("gmx", document(PASS, org="1&1 Mail & Media GmbH", number="gmx.net-7"), "1&1 Mail & Media GmbH", "gmx.net-7", "none", BOTH),
    # Amazon SES: upper case, an empty auth_results, plain XML as an attachment.
    Shape(
        "amazon-ses",
        mail(document(PASS, org="AMAZON-SES", number="c4e2d1d0-7a"), "text/xml", "amazonses.com!example.com!1!2.xml"),
        "AMAZON-SES", "c4e2d1d0-7a", "none", BOTH,
    ),
    # Mimecast: the whole mail is one gzip.
    Shape(
        "mimecast",
        b"From: no-reply@mimecastreport.com\r\nContent-Type: application/gzip\r\nContent-Disposition: attachment;\r\n"
        b' filename="mimecast.org!example.com!1!2.xml.gz"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + base64.encodebytes(gzip.compress(document(PASS, org="Mimecast", number="157a5fe3"))),
        "Mimecast", "157a5fe3", "none", BOTH,
    ),
    # opendmarc-reports: an organisation that is a host, the id made of domain and time.
    Shape(
        "opendmarc", zipped(document(PASS, org="mx.reporter.example", number="example.com:1795219200")),
        "mx.reporter.example", "example.com:1795219200", "none", BOTH,
    ),
    # Rspamd (lualib/rspamadm/dmarc_report.lua): an address of the reporter in angle brackets, an empty reason.
    Shape(
        "rspamd",
        mail(gzip.compress(document(record("192.0.2.10", 3, more="<reason><type></type><comment></comment></reason>"),
                                    org="Example", number="&lt;example.com.1795132800.abc&gt;")), "application/gzip", "r.xml.gz"),
        "Example", "example.com.1795132800.abc", "none", BOTH,
    ),
    # SmarterMail: blank elements where a result is missing.
    Shape(
        "smartermail",
        document(record("192.0.2.10", 3, "fail", "fail", auth="\n  "), org="usssa.example", number="8953b4d4a4ee"),
        "usssa.example", "8953b4d4a4ee", "none", {"192.0.2.10": (0, 3)},
    ),
    # A product that writes "Pass".
    Shape("capitals", document(record("192.0.2.10", 3, "Pass", "PASS")), "reporter.example", "1", "none", BOTH),
    # Reporters that put the beginning of a schema in front (seen from a large retailer).
    Shape(
        "stray-schema",
        document(PASS, head='<?xml version="1.0"?> <xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://dmarc.org/dmarc-xml/0.1">\n'),
        "reporter.example", "1", "none", BOTH,
    ),
    # Veeam: the address in angle brackets, unescaped.
    Shape(
        "angle-brackets",
        document(PASS).replace(b"<email>dmarc@example.com</email>", b"<email><dmarc@example.com></email>"),
        "reporter.example", "1", "none", BOTH,
    ),
    # Latin-1 bytes in a document that says UTF-8.
    Shape("wrong-bytes", document(PASS, org="M\xfcller").replace("\xfc".encode(), b"\xfc"), "M\ufffdller", "1", "none", BOTH),
    # An encoding that is declared and right.
    Shape(
        "latin-1",
        document(PASS, org="Müller", head='<?xml version="1.0" encoding="ISO-8859-1"?>').decode().encode("latin-1"),
        "Müller", "1", "none", BOTH,
    ),
    Shape("utf-8-bom", b"\xef\xbb\xbf" + document(PASS), "reporter.example", "1", "none", BOTH),
    # IPv6, an IPv4 address written as IPv6, blanks around it, one that is none.
    Shape(
        "addresses",
        document(record("2001:DB8:0:0::1", 2), record("::ffff:192.0.2.10", 3), record(" 192.0.2.11 ", 1), record("unknown", 4)),
        "reporter.example", "1", "none",
        {"2001:db8::1": (2, 0), "192.0.2.10": (3, 0), "192.0.2.11": (1, 0), "": (4, 0)},
    ),
    # Times with fractions, and a day that begins in another time zone.
    Shape("fractions", document(PASS, begin=f"{BEGIN + 7200}.0", end=f"{END + 7200}.97"), "reporter.example", "1", "none", BOTH),
    Shape("milliseconds", document(PASS, begin=f"{BEGIN}000", end=f"{END}999"), "reporter.example", "1", "none", BOTH),
    # Records without a number, with a negative one and with one that no number type holds.
    Shape(
        "numbers",
        document(PASS, record("192.0.2.66", ""), record("192.0.2.67", -5), record("192.0.2.68", "9" * 400), record("192.0.2.69", 0)),
        "reporter.example", "1", "none", BOTH,
    ),
    # The report pasted into the text of a mail.
    Shape(
        "inline",
        b"From: a@reporter.example\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + document(PASS),
        "reporter.example", "1", "none", BOTH,
    ),
]  # fmt: skip

TLS = [
    # RFC 8460 appendix B.
    Shape(
        "rfc8460",
        tls(
            "Company-X", "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
            {
                "policy": STS | {"mx-host": ["*.mail.example.com"]},
                "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
                "failure-details": [
                    {"result-type": "certificate-expired", "sending-mta-ip": "2001:db8:abcd:12::1",
                     "receiving-mx-hostname": "mx1.mail.example.com", "failed-session-count": 100},
                    {"result-type": "starttls-not-supported", "sending-mta-ip": "2001:db8:abcd:13::1",
                     "receiving-mx-hostname": "mx2.mail.example.com", "receiving-ip": "203.0.113.56",
                     "failed-session-count": 200, "additional-information": "https://reports.company-x.example/report_info"},
                    {"result-type": "validation-failure", "sending-mta-ip": "198.51.100.62", "receiving-ip": "203.0.113.58",
                     "receiving-mx-hostname": "mx-backup.mail.example.com", "failed-session-count": 3,
                     "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"},
                ],
            },
        ),
        "Company-X", "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
        sessions={"ok": 5326, "certificate-expired": 100, "starttls-not-supported": 200, "validation-failure": 3},
    ),
    # Google: multipart/report, application/tlsrpt+gzip.
    Shape(
        "google-tls",
        mail(gzip.compress(tls("Google Inc.", "2026-11-20T00:00:00Z_example.com",
                               {"policy": STS | {"mx-host": ["mail.example.com"]}, "summary": {"total-successful-session-count": 48, "total-failure-session-count": 0}})),
             "application/tlsrpt+gzip", "google.com!example.com!1795132800!1795219199!001.json.gz")
        .replace(b"multipart/mixed", b'multipart/report; report-type="tlsrpt"'),
        "Google Inc.", "2026-11-20T00:00:00Z_example.com", sessions={"ok": 48},
    ),
    # Microsoft: a policy as one string, failures without details.
    Shape(
        "microsoft-tls",
        mail(gzip.compress(tls("Microsoft Corporation", "134@Microsoft", {
            "policy": {"policy-type": "no-policy-found", "policy-domain": "example.com", "policy-string": ""},
            "summary": {"total-successful-session-count": 7, "total-failure-session-count": 2}, "failure-details": None})),
            "application/tlsrpt+gzip"),
        "Microsoft Corporation", "134@Microsoft", sessions={"ok": 7, "other": 2},
    ),
    # Mail.ru: more failures in the details than in the summary.
    Shape(
        "mail.ru-tls",
        tls("Mail.ru", "b28254de@mail.ru", {
            "failure-details": [{"failed-session-count": 1, "failure-reason-code": "bad https response code: 404", "result-type": "sts-policy-fetch-error"},
                                {"failed-session-count": 1, "failure-reason-code": "bad https response code: 500", "result-type": "sts-policy-fetch-error"}],
            "policy": {"policy-domain": "example.com", "policy-type": "sts"},
            "summary": {"total-failure-session-count": 1, "total-successful-session-count": 0}}),
        "Mail.ru", "b28254de@mail.ru", sessions={"sts-policy-fetch-error": 2},
    ),
    # Numbers as strings, a single object instead of a list, an empty host, a byte order mark, plain JSON in a mail.
    Shape(
        "strings-tls",
        mail(b"\xef\xbb\xbf" + tls("Strings", "7", {
            "policy": STS, "summary": {"total-successful-session-count": "3", "total-failure-session-count": "1"},
            "failure-details": {"result-type": "certificate-host-mismatch", "receiving-mx-hostname": "", "failed-session-count": "1"}}),
            "application/tlsrpt+json"),
        "Strings", "7", sessions={"ok": 3, "certificate-host-mismatch": 1},
    ),
]  # fmt: skip
