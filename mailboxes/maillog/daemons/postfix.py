"""Postfix: smtpd, cleanup, qmgr, its delivery agents, bounce, pickup, postsuper, postscreen. Pure.

The text of a command that a client sent out of turn is never kept: it may be a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from mailboxes.maillog.daemons.event import Event, Kind, tidy

#: Queue ids, short and long: postconf(5), "enable_long_queue_ids".
QUEUE_ID: Final = r"(?:[0-9A-F]{6,20}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,25})"
_HEAD = re.compile(r"\bpostfix[\w-]*/([\w/-]{1,60})\[(\d{1,9})\]: (?:warning: )?")
_WITH_ID = re.compile(rf"({QUEUE_ID}|NOQUEUE): (.*)", re.DOTALL)
#: name[address] or name[address]:port, as smtpd(8) names its clients.
_CLIENT = r"(?P<name>[^\s\[\]]{1,255})\[(?P<client>[0-9A-Fa-f:.%a-z]{2,60}|unknown)\](?::\d+)?"
_ACCEPTED = re.compile(rf"client={_CLIENT}(?P<more>.*)", re.DOTALL)
_LOGIN = re.compile(r"sasl_username=(\S{1,320})")
_MESSAGE_ID = re.compile(r"message-id=(.{0,998})", re.DOTALL)
_QUEUED = re.compile(r"from=<(?P<sender>.*)>, size=(?P<size>\d+), nrcpt=(?P<nrcpt>\d+) \(queue active\)")
_EXPIRED = re.compile(r"from=<(?P<sender>.*)>, status=(?:force-)?expired, returned to sender")
_PICKED_UP = re.compile(r"uid=(?P<uid>\d+) from=<(?P<sender>.*?)>(?: orig_id=(?P<before>\w+))?")
_SENT = re.compile(
    r"to=<(?P<to>.*?)>,(?: orig_to=<(?P<orig>.*?)>,)? relay=(?P<relay>.{1,300}?), (?:conn_use=\d+, )?"
    r"delay=(?P<delay>[\d.]+), delays=[\d./]+, dsn=(?P<dsn>\d\.\d+\.\d+), status=(?P<status>\w+) \((?P<text>.*)\)",
    re.DOTALL,
)
_REFUSED = re.compile(
    r"(?P<how>reject|milter-reject|reject_warning|discard|milter-discard|hold|milter-hold): "
    rf"(?P<stage>\S+) from {_CLIENT}: "
    # Each up to the first that may be its end: a stranger's addresses may hold more of them, and all would be tried.
    r"(?P<text>(?:(?!; (?:from=<|to=<|proto=)).)*); "
    r"(?:from=<(?P<sender>(?:(?!>,? (?:to=<|proto=)).)*)>,? )?(?:to=<(?P<to>(?:(?!>,? proto=).)*)>,? )?"
    r"proto=\w+(?:,? helo=<.*?>)?(?P<more>.*)",
    re.DOTALL,
)
_CODE = re.compile(r"(?:[245]\d\d )?(\d\.\d{1,3}\.\d{1,3})|([245]\d\d)\b")
_NOTICE = re.compile(rf"sender (?P<what>non-delivery|delay|delivery status) notification: (?P<id>{QUEUE_ID})")
_FAILED = re.compile(
    rf"{_CLIENT}: SASL (?P<method>\S+) authentication (?:failed|aborted)(?:: (?P<text>.*))?", re.DOTALL
)
_LOST = re.compile(
    rf"(?:lost connection|timeout|too many errors) after (?P<stage>\S+)(?: \(.*?\))? from {_CLIENT}"
)
_PIPELINED = re.compile(rf"improper command pipelining after (?P<stage>\S+) from {_CLIENT}:")
_NOT_SMTP = re.compile(rf"non-SMTP command from {_CLIENT}:")
_NO_TLS = re.compile(rf"SSL_accept error from {_CLIENT}: (?P<text>.*)", re.DOTALL)
_SCREENED = re.compile(
    r"(?P<what>PREGREET|HANGUP|DNSBL|BARE NEWLINE|NON-SMTP COMMAND|"
    r"COMMAND (?:PIPELINING|TIME LIMIT|COUNT LIMIT|LENGTH LIMIT))"
    r"\b.{0,80}?(?:from|for) \[(?P<client>[0-9A-Fa-f:.]{2,60})\]:\d+"
)
_SUPER = {
    "placed on hold": Kind.HELD,
    "released from hold": Kind.RELEASED,
    "requeued": Kind.REQUEUED,
    "expired": Kind.EXPIRED,
    "removed": Kind.DELETED,
}
_STATUS = {
    "sent": Kind.DELIVERED,
    "deferred": Kind.DEFERRED,
    "bounced": Kind.BOUNCED,
    "undeliverable": Kind.BOUNCED,
    "expired": Kind.BOUNCED,
}
#: Postfix writes at most 2,048 characters of a line (``line_length_limit``), and some words of its own.
_LONGEST_LINE = 4_000
_HEALTH_CHECKS = ("127.0.0.1", "::1")


def parse(line: str) -> tuple[Event, ...]:
    """What the line says; nothing if it says nothing about a mail or about a client that was turned away."""
    head = _HEAD.search(line, 0, 200)
    if head is None:
        return ()
    program = head[1]
    name = program.rpartition("/")[2]
    if not (read := _READERS.get(name)):
        return ()
    rest, queue_id = line[head.end() : _LONGEST_LINE], ""
    if found := _WITH_ID.match(rest):
        queue_id, rest = found[1], found[2]
    event = read("" if queue_id == "NOQUEUE" else queue_id, rest, f"{program}[{head[2]}]")
    return (event,) if event else ()


def _smtpd(queue_id: str, rest: str, process: str) -> Event | None:
    if queue_id and (found := _ACCEPTED.match(rest)):
        login = _LOGIN.search(found["more"])
        return Event(
            "postfix",
            Kind.ACCEPTED,
            queue_id,
            client=found["client"],
            client_name=_name(found["name"]),
            login=login[1] if login else "",
            process=process,
            data={"port": _port(process)},
        )
    if found := _REFUSED.match(rest):
        return _refused(queue_id, found, process)
    for kind, pattern in (
        (Kind.LOST, _LOST),
        (Kind.MISUSED, _PIPELINED),
        (Kind.MISUSED, _NOT_SMTP),
        (Kind.NO_TLS, _NO_TLS),
    ):
        if (found := pattern.match(rest)) and found["client"] not in _HEALTH_CHECKS:
            parts = found.groupdict()
            data = {"stage": parts.get("stage") or "", "port": _port(process)}
            text = tidy(parts.get("text") or rest.partition(" from ")[0])
            return Event(
                "postfix",
                kind,
                queue_id,
                client=found["client"],
                client_name=_name(found["name"]),
                text=text,
                process=process,
                data=data,
            )
    if found := _FAILED.match(rest):
        login = _LOGIN.search(found["text"] or "")
        return Event(
            "postfix",
            Kind.SIGN_IN_FAILED,
            client=found["client"],
            client_name=_name(found["name"]),
            login=login[1] if login else "",
            process=process,
            data={"port": _port(process)},
        )
    return None


def _refused(queue_id: str, found: re.Match[str], process: str) -> Event | None:
    if found["how"].endswith(("_warning", "hold")):
        return None
    code = _CODE.match(found["text"])
    kind = Kind.DISCARDED if "discard" in found["how"] else Kind.REFUSED
    if kind == Kind.REFUSED and found["text"].startswith("4"):
        kind = Kind.PUT_OFF
    login = _LOGIN.search(found["more"])
    return Event(
        "postfix",
        kind,
        queue_id,
        sender=found["sender"],
        recipients=(found["to"],) if found["to"] else (),
        client=found["client"],
        client_name=_name(found["name"]),
        login=login[1] if login else "",
        code=(code[1] or code[2]) if code else "",
        text=tidy(found["text"]),
        process=process,
        data={"stage": found["stage"], "port": _port(process)},
    )


def _cleanup(queue_id: str, rest: str, process: str) -> Event | None:
    if queue_id and (found := _MESSAGE_ID.match(rest)):
        return Event("postfix", Kind.IDENTIFIED, queue_id, message_id=found[1].strip())
    if queue_id and rest == "removed (canceled)":
        return Event("postfix", Kind.REMOVED, queue_id)
    if queue_id and (found := _REFUSED.match(rest)):
        return _refused(queue_id, found, process)
    return None


def _qmgr(queue_id: str, rest: str, process: str) -> Event | None:
    if not queue_id:
        return None
    if rest == "removed":
        return Event("postfix", Kind.REMOVED, queue_id)
    if found := _QUEUED.match(rest):
        data = {"size": int(found["size"]), "recipients": int(found["nrcpt"])}
        return Event("postfix", Kind.QUEUED, queue_id, sender=found["sender"], data=data)
    if found := _EXPIRED.match(rest):
        return Event("postfix", Kind.EXPIRED, queue_id, sender=found["sender"])
    return _agent(queue_id, rest, process)


def _agent(queue_id: str, rest: str, process: str) -> Event | None:
    """smtp, lmtp, local, virtual, error, discard, and qmgr for what it gives up by itself."""
    if not queue_id or not (found := _SENT.match(rest)) or found["status"] not in _STATUS:
        return None
    relay = "" if found["relay"] == "none" else found["relay"]
    data: dict[str, object] = {
        "delay": float(found["delay"]),
        "agent": process.partition("[")[0].rpartition("/")[2],
    }
    if found["orig"]:
        data["for"] = found["orig"]
    return Event(
        "postfix",
        _STATUS[found["status"]],
        queue_id,
        recipients=(found["to"],),
        remote=tidy(relay),
        code=found["dsn"],
        text=tidy(found["text"]),
        data=data,
    )


def _pickup(queue_id: str, rest: str, process: str) -> Event | None:
    if not queue_id or not (found := _PICKED_UP.match(rest)):
        return None
    if found["before"]:
        return Event(
            "postfix", Kind.REQUEUED, queue_id, sender=found["sender"], data={"before": found["before"]}
        )
    return Event("postfix", Kind.ACCEPTED, queue_id, sender=found["sender"], data={"uid": int(found["uid"])})


def _bounce(queue_id: str, rest: str, process: str) -> Event | None:
    if not queue_id or not (found := _NOTICE.match(rest)):
        return None
    return Event("postfix", Kind.REPORTED, queue_id, data={"what": found["what"], "as": found["id"]})


def _postsuper(queue_id: str, rest: str, process: str) -> Event | None:
    kind = _SUPER.get(rest)
    return Event("postfix", kind, queue_id, data={"by": "postsuper"}) if queue_id and kind else None


def _postscreen(queue_id: str, rest: str, process: str) -> Event | None:
    if found := _REFUSED.match(rest.replace("from [", "from unknown[", 1)):
        return _refused(queue_id, found, process)
    if found := _SCREENED.match(rest):
        data = {"stage": found["what"], "port": "25"}
        return Event(
            "postfix", Kind.MISUSED, client=found["client"], text=found["what"], process=process, data=data
        )
    return None


_READERS: dict[str, Callable[[str, str, str], Event | None]] = {
    "smtpd": _smtpd,
    "cleanup": _cleanup,
    "qmgr": _qmgr,
    **dict.fromkeys(("smtp", "lmtp", "local", "virtual", "error", "discard", "pipe"), _agent),
    "pickup": _pickup,
    "bounce": _bounce,
    "postsuper": _postsuper,
    "postscreen": _postscreen,
}


def _port(process: str) -> str:
    """The port that the client came to."""
    for name, port in (("submissions/", "465"), ("smtps/", "465"), ("submission/", "587")):
        if process.startswith(name):
            return port
    return "25"


def _name(text: str) -> str:
    return "" if text == "unknown" else text
