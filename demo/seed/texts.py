"""The texts of the demo's mails."""

from __future__ import annotations

CUSTOMERS = (
    "Emma Larsen <emma.larsen@meadow.example>",
    "Noah Brandt <noah@brandt.example>",
    "Olivia Rossi <olivia.rossi@piazza.example>",
    "Liam Novak <liam.novak@river.example>",
    "Sofia Martins <sofia@atelier.example>",
    "Elias Berg <elias.berg@fjord.example>",
    "Chloé Dubois <chloe.dubois@moulin.example>",
    "Hugo Peeters <hugo@peeters.example>",
    "Aiko Tanaka <aiko.tanaka@garden.example>",
    "Mateo García <mateo@huerta.example>",
    "Freya Jensen <freya.jensen@havn.example>",
    "Lucas Moreau <lucas@atelier-moreau.example>",
)
#: Subject, text; ``{}`` is the number of the order.
ORDERS = (
    (
        "Order {} confirmed",
        "Thank you for your order {}.\n\nWe pack it today and write again when it leaves.",
    ),
    (
        "Your invoice for order {}",
        "Please find the invoice for order {} below.\n\nPaid by card. Nothing is due.",
    ),
    ("Order {} is on its way", "Order {} left our barn this morning.\n\nIt should arrive within three days."),
)
HTML = """\
<!doctype html><html><body style="margin:0;background:#f6f5f0">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:28px">
<table role="presentation" width="520" cellpadding="0" cellspacing="0" style="background:#fff;border-radius:10px">
<tr><td style="padding:26px 32px 8px;font:600 20px sans-serif;color:#3f6212">Orchard &amp; Sons</td></tr>
<tr><td style="padding:0 32px;font:600 17px sans-serif;color:#1c1917">{subject}</td></tr>
<tr><td style="padding:14px 32px;font:15px/1.6 sans-serif;color:#44403c">{text}</td></tr>
<tr><td style="padding:6px 32px 20px"><table width="100%" style="font:14px sans-serif;color:#44403c">
<tr><td style="padding:8px 0;border-top:1px solid #e7e5e4">3 × Belle de Boskoop, 5 kg</td>
<td align="right" style="border-top:1px solid #e7e5e4">38.40</td></tr>
<tr><td style="padding:8px 0;border-top:1px solid #e7e5e4">1 × Quince jelly, 6 jars</td>
<td align="right" style="border-top:1px solid #e7e5e4">27.00</td></tr>
<tr><td style="padding:8px 0;border-top:1px solid #e7e5e4;font-weight:600">Total</td>
<td align="right" style="border-top:1px solid #e7e5e4;font-weight:600">65.40</td></tr></table></td></tr>
<tr><td style="padding:14px 32px 24px;font:12px sans-serif;color:#a8a29e">
Orchard &amp; Sons, Mill Lane 4, Appleton</td></tr></table></td></tr></table></body></html>
"""
#: Hours ago, rule, severity, state, summary, details.
ALERTS = (
    (158, "HighLoad", "warning", "firing", "Load on node-1 is above 8", "load5 11.4, 8 cores"),
    (157.2, "HighLoad", "warning", "resolved", "Load on node-1 is back to 1.2", ""),
    (131, "DiskFilling", "warning", "firing", "/srv on nas fills up within 3 days", "84 % used, 61 GiB free"),
    (107, "DiskFilling", "warning", "resolved", "/srv on nas has 412 GiB free", ""),
    (83, "CertificateExpires", "warning", "firing", "shop.orchard.example expires in 13 days", "issuer R11"),
    (82.5, "CertificateExpires", "warning", "resolved", "shop.orchard.example is valid for 90 days", ""),
    (
        51,
        "ProbeFailed",
        "critical",
        "firing",
        "shop.orchard.example does not answer",
        "HTTP 502 from the proxy",
    ),
    (50.8, "ProbeFailed", "critical", "resolved", "shop.orchard.example answers again after 11 min", ""),
    (
        29,
        "SmartError",
        "critical",
        "firing",
        "sdc on nas reports 8 pending sectors",
        "Current_Pending_Sector 8",
    ),
    (9, "HighLoad", "warning", "firing", "Load on node-1 is above 8", "load5 9.7, 8 cores"),
    (8.6, "HighLoad", "warning", "resolved", "Load on node-1 is back to 2.0", ""),
    (2.2, "MemoryLow", "warning", "firing", "node-2 has 210 MiB of memory left", "7.7 GiB, swap 94 % used"),
    (1.9, "MemoryLow", "warning", "resolved", "node-2 has 3.1 GiB of memory left", ""),
)
CRON = """\
From: root
To: root
Subject: Cron <root@node-1> /usr/local/sbin/renew-certificates

Saving debug log to /var/log/letsencrypt/letsencrypt.log
shop.orchard.example: not due for renewal yet
mail.harbour.example: not due for renewal yet
"""
UPGRADES = """\
From: root
To: root
Subject: unattended-upgrades result for node-1: SUCCESS

Unattended upgrade result: All upgrades installed

Packages that were upgraded:
 base-files libc6 openssl tzdata
"""
