"""Hints for failures before the server sees a mail: name, connection, TLS. The first rule that fits counts."""

from __future__ import annotations

from mailrelay.diagnosis.rules import Facts, Rule

_IMPLICIT = (465, 2465)
_PLAIN_FIRST = (25, 587, 2525, 2587)


def _tls_port_in_plain(facts: Facts) -> bool:
    return facts.port in _IMPLICIT and facts.security != "tls"


def _plain_port_in_tls(facts: Facts) -> bool:
    return facts.port in _PLAIN_FIRST and facts.security == "tls"


def _other_host(facts: Facts) -> bool:
    """Whether the host of a preset was changed to one that is not the provider's."""
    return not facts.owner and bool(facts.words()["preset_host"])


def _is_ip(facts: Facts) -> bool:
    return ":" in facts.host or facts.host.replace(".", "").isdigit()


_CHOOSE_TLS = (
    "Port {port} speaks TLS from the first byte, so the server waits for TLS while we wait for its "
    "greeting: choose Implicit TLS, or port 587 with STARTTLS."
)
_CHOOSE_STARTTLS = "Port {port} begins in plain text: choose STARTTLS, or port 465 with Implicit TLS."
_INTERCEPTED = (
    "This is not {relay}'s own certificate: an antivirus, a company proxy or the router intercepts the "
    "connection. Exempt {host} port {port} from its inspection. Do not send the password through it."
)
_TRUST = (
    "put that certificate (for a private authority: the authority's) into /usr/local/share/ca-certificates "
    "on this node as a .crt file and run update-ca-certificates"
)

RULES: tuple[Rule, ...] = (
    # --- resolve
    Rule(
        "A region's name is part of the host (email-smtp.REGION.amazonaws.com): pick the region of your SES "
        "account.",
        kinds=("dns_not_found",),
        vendors=("ses",),
    ),
    Rule(
        "Check the spelling of the host; {relay}'s is {preset_host}.",
        kinds=("dns_not_found",),
        vendors=("mailgun", "sendgrid", "postmark"),
    ),
    Rule("Check the spelling of the host: a name alone, such as smtp.example.com.", kinds=("dns_not_found",)),
    Rule(
        "This node cannot look up names at the moment: check its network and its name servers "
        "(/etc/resolv.conf), then try again.",
        kinds=("dns_failed",),
    ),
    # --- connect
    Rule(
        "{relay} does not answer at this host; its own is {preset_host}.",
        kinds=("refused", "unreachable"),
        when=_other_host,
    ),
    Rule(
        "Nothing listens on port {port} there, or a firewall turns the connection away. Check host and "
        "port: most relays listen on 587 (STARTTLS) and 465 (Implicit TLS). If the server is your own, "
        "check that it is running.",
        kinds=("refused",),
    ),
    Rule(
        "Check that this node is online and has a route to {host}. Where the name has only an IPv6 address, "
        "this node needs IPv6.",
        kinds=("unreachable",),
    ),
    Rule(
        "Port 25 is blocked by most ISPs and clouds: use port 587 with STARTTLS, or 465 with Implicit TLS.",
        kinds=("timeout_connect", "timeout_greeting"),
        when=lambda facts: facts.port == 25,
    ),
    Rule(
        "A firewall or the ISP probably blocks port {port}. Allow it for outbound connections, or try "
        "another: {other_ports}.",
        kinds=("timeout_connect",),
    ),
    Rule(
        _CHOOSE_TLS,
        kinds=("timeout_greeting", "closed", "bad_greeting"),
        stages=("connect",),
        when=_tls_port_in_plain,
    ),
    Rule(
        "The connection opens, but nothing comes through: a firewall, an antivirus or the ISP probably "
        "blocks port {port}. Try another: {other_ports}. If the server is your own, check that it "
        "speaks SMTP on this port and does not expect TLS from the first byte.",
        kinds=("timeout_greeting",),
    ),
    Rule(
        "What listens on port {port} is not a mail server, or expects TLS from the first byte. Check the "
        "port: 587 (STARTTLS) or 465 (Implicit TLS).",
        kinds=("bad_greeting",),
    ),
    # --- tls
    Rule(
        _CHOOSE_STARTTLS,
        kinds=("tls_wrong_version", "tls_failed", "timeout", "closed"),
        stages=("tls",),
        when=_plain_port_in_tls,
    ),
    Rule(
        "The server speaks plain text first on port {port}: choose STARTTLS, or the port on which it speaks "
        "TLS from the first byte (usually 465).",
        kinds=("tls_wrong_version",),
        when=lambda facts: facts.security == "tls",
    ),
    Rule(
        "The server agreed to STARTTLS and then did not speak TLS: an antivirus or a firewall may rewrite "
        "the connection. Try another port: {other_ports}.",
        kinds=("tls_wrong_version",),
    ),
    Rule(
        "Something on the way removes STARTTLS: {relay} always offers it. An antivirus, a firewall or the ISP "
        "rewrites the connection; try another port: {other_ports}.",
        kinds=("tls_not_offered",),
        when=lambda facts: bool(facts.owner),
    ),
    Rule(
        "Try port 587 with STARTTLS, or port 465 with Implicit TLS. Choose None only for a server of your "
        "own on a network that you trust: mail and password then travel in the clear.",
        kinds=("tls_not_offered",),
    ),
    Rule(
        _INTERCEPTED,
        kinds=("cert_self_signed", "cert_unknown_ca", "cert_hostname"),
        when=lambda facts: bool(facts.owner),
    ),
    Rule(
        "If the server is your own, give it a certificate that others trust (Let's Encrypt), or "
        + _TRUST
        + ".",
        kinds=("cert_self_signed",),
    ),
    Rule(
        "If the server is your own, make it send its intermediate certificates as well; if its authority is "
        "private, " + _TRUST + ".",
        kinds=("cert_unknown_ca",),
    ),
    Rule(
        "A certificate seldom names an IP address: write the server's name as the host.",
        kinds=("cert_hostname",),
        when=_is_ip,
    ),
    Rule(
        "Write the host as the certificate has it; `openssl s_client -connect {host}:{port}` (with "
        "-starttls smtp where STARTTLS is used) shows its names.",
        kinds=("cert_hostname",),
    ),
    Rule(
        "Renew the certificate on the server. If it is in date, this node's clock is wrong: see "
        "`timedatectl`.",
        kinds=("cert_expired",),
    ),
    Rule(
        "The two sides found no common way to encrypt: the server may know only TLS older than 1.2. Update "
        "it, or try another port: {other_ports}.",
        kinds=("tls_failed",),
    ),
    # --- anywhere
    Rule(
        "Open Mail Relay, type the password again and save; or put the old key back into the key file.",
        kinds=("password_unreadable",),
    ),
    Rule(
        "Give that recipient an address in plain ASCII letters, or use a relay that offers SMTPUTF8.",
        kinds=("smtputf8_not_offered",),
    ),
    Rule(
        "The server hung up at once. It may have blocked this node's address (too many failed logins, a "
        "blocklist) or be overloaded: wait some minutes, then see the server's log.",
        kinds=("closed",),
        stages=("connect",),
        when=lambda facts: facts.code is None,
    ),
    Rule(
        "The connection broke half-way. Try again; if it happens each time, see the server's log, or try "
        "another port: {other_ports}.",
        kinds=("closed",),
        when=lambda facts: facts.code is None,
    ),
    Rule(
        "The server is slow or the network drops packets. Try again; if it happens each time, try another "
        "port: {other_ports}.",
        kinds=("timeout",),
    ),
)
