"""The text of each snippet: ``@url@``, ``@key@``, ``@to@`` and ``@checkout@`` are filled in.

Each is run against a real console by ``tests/browser/test_api_keys.py``.
"""

CURL_MESSAGE = """\
curl @url@/api/mail/messages \\
  -H "Authorization: Bearer @key@" -H "Content-Type: application/json" \\
  -d '{"to": ["@to@"], "subject": "Hello", "text": "Sent through Quazzar."}'
"""

CURL_RAISE = """\
curl @url@/api/mail/alerts \\
  -H "Authorization: Bearer @key@" -H "Content-Type: application/json" \\
  -d '{"rule": "Disk full", "severity": "critical", "summary": "92 % on /srv"}'
"""

CURL_RESOLVE = """\
curl @url@/api/mail/alerts \\
  -H "Authorization: Bearer @key@" -H "Content-Type: application/json" \\
  -d '{"rule": "Disk full", "state": "resolved", "summary": "61 % on /srv"}'
"""

CURL_BACKUP = """\
curl @url@/api/mail/backups \\
  -H "Authorization: Bearer @key@" -H "Content-Type: application/json" \\
  -d '{"job": "nightly", "status": "failure", "message": "No space left on device"}'
"""

CURL_FAILED = """\
curl "@url@/api/mail/messages?status=failed" -H "Authorization: Bearer @key@"
"""

CURL_TEST = """\
curl @url@/api/mail/relay/test \\
  -H "Authorization: Bearer @key@" -H "Content-Type: application/json" \\
  -d '{"to": "@to@"}'
"""

PYTHON_MESSAGE = """\
import json
import urllib.request

mail = {"to": ["@to@"], "subject": "Hello", "text": "Sent from Python."}
request = urllib.request.Request(
    "@url@/api/mail/messages",
    data=json.dumps(mail).encode(),
    headers={"Authorization": "Bearer @key@", "Content-Type": "application/json"},
)
with urllib.request.urlopen(request, timeout=30) as answer:
    print(json.load(answer))
"""

PYTHON_ALERT = """\
import json
import urllib.request


def alert(rule, state="firing", summary="", severity="warning"):
    body = {"rule": rule, "state": state, "summary": summary, "severity": severity}
    request = urllib.request.Request(
        "@url@/api/mail/alerts",
        data=json.dumps(body).encode(),
        headers={"Authorization": "Bearer @key@", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


print(alert("Disk full", summary="92 % on /srv", severity="critical"))
"""

# https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
ALERTMANAGER = """\
route:
  receiver: quazzar
receivers:
  - name: quazzar
    webhook_configs:
      - url: @url@/api/mail/alerts
        send_resolved: true
        http_config:
          authorization:
            type: Bearer
            credentials: @key@
"""

# https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/file-provisioning/
GRAFANA = """\
apiVersion: 1
contactPoints:
  - orgId: 1
    name: Quazzar
    receivers:
      - uid: quazzar
        type: webhook
        settings:
          url: @url@/api/mail/alerts
          httpMethod: POST
          authorization_scheme: Bearer
          authorization_credentials: @key@
"""

KUMA_URL = "@url@/api/mail/alerts\n"

KUMA_HEADERS = """\
{"Authorization": "Bearer @key@", "Content-Type": "application/json"}
"""

# LiquidJS (https://github.com/louislam/uptime-kuma, server/notification-providers/webhook.js). A test notification and
# one about a certificate come without a heartbeat; status 1 is up.
KUMA_BODY = """\
{"rule": {{ monitorJSON.name | default: "Uptime Kuma" | json }},
 "state": "{% if heartbeatJSON.status == 1 %}resolved{% else %}firing{% endif %}",
 "severity": "critical", "summary": {{ msg | json }}}
"""

# One line, without a percent sign: crontab(5) would end the command there.
CRON = (
    "0 2 * * * /usr/local/bin/backup && s=success || s=failure; "
    "curl -fsS -m 30 --retry 5 -o /dev/null "
    '-H "Authorization: Bearer @key@" -H "Content-Type: application/json" '
    '-d "{\\"job\\": \\"nightly\\", \\"status\\": \\"$s\\"}" @url@/api/mail/backups\n'
)

BACKUP_SCRIPT = """\
#!/bin/sh
started=$(date +%s)
/usr/local/bin/backup && status=success || status=failure
curl -fsS -m 30 --retry 5 -o /dev/null @url@/api/mail/backups \\
  -H "Authorization: Bearer @key@" -H "Content-Type: application/json" -d @- <<REPORT
{"job": "nightly", "status": "$status", "started_at": $started, "finished_at": $(date +%s)}
REPORT
"""

SENDMAIL = """\
printf 'Subject: Hello\\n\\nSent by sendmail.\\n' | @checkout@/bin/quazzar-sendmail -i @to@
"""
