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
    "Port {port} uses TLS from the first byte, so the server waits for TLS while we wait for its "
    "greeting. Choose Implicit TLS, or port 587 with STARTTLS."
)
_CHOOSE_STARTTLS = "Port {port} starts in plain text. Choose STARTTLS, or port 465 with Implicit TLS."
_INTERCEPTED = (
    "This is not {relay}'s own certificate: antivirus software, a company proxy or the router intercepts "
    "the connection. Exempt {host} port {port} from its inspection, and don't send the password through "
    "it."
)
_TRUST = (
    "put that certificate (for a private authority: the authority's) into /usr/local/share/ca-certificates "
    "on this node as a .crt file and run update-ca-certificates"
)

RULES: tuple[Rule, ...] = (
    # --- resolve
    Rule(
        "The host contains the name of a region (email-smtp.REGION.amazonaws.com). Choose the region of "
        "your SES account.",
        kinds=("dns_not_found",),
        vendors=("ses",),
    ),
    Rule(
        "Check the spelling of the host. {relay}'s host is {preset_host}.",
        kinds=("dns_not_found",),
        vendors=("mailgun", "sendgrid", "postmark"),
    ),
    Rule(
        "Check the spelling of the host. Enter only a name, such as smtp.example.com.",
        kinds=("dns_not_found",),
    ),
    Rule(
        "This node cannot resolve names right now. Check its network and its name servers "
        "(/etc/resolv.conf), then try again.",
        kinds=("dns_failed",),
    ),
    # --- connect
    Rule(
        "{relay} does not answer at this host. Its host is {preset_host}.",
        kinds=("refused", "unreachable"),
        when=_other_host,
    ),
    Rule(
        "Nothing listens on port {port} there, or a firewall rejects the connection. Check host and port: "
        "most relays listen on 587 (STARTTLS) and 465 (Implicit TLS). If it is your own server, check "
        "that it is running.",
        kinds=("refused",),
    ),
    Rule(
        "Check that this node is online and has a route to {host}. If the name has only an IPv6 address, "
        "this node needs IPv6.",
        kinds=("unreachable",),
    ),
    Rule(
        "Most ISPs and cloud providers block port 25. Use port 587 with STARTTLS, or 465 with Implicit TLS.",
        kinds=("timeout_connect", "timeout_greeting"),
        when=lambda facts: facts.port == 25,
    ),
    Rule(
        "A firewall or the ISP probably blocks port {port}. Allow outbound connections to it, or try "
        "another port: {other_ports}.",
        kinds=("timeout_connect",),
    ),
    Rule(
        _CHOOSE_TLS,
        kinds=("timeout_greeting", "closed", "bad_greeting"),
        stages=("connect",),
        when=_tls_port_in_plain,
    ),
    Rule(
        "The connection opens, but no data arrives: a firewall, antivirus software or the ISP probably "
        "blocks port {port}. Try another port: {other_ports}. If it is your own server, check that it "
        "speaks SMTP on this port and does not expect TLS from the first byte.",
        kinds=("timeout_greeting",),
    ),
    Rule(
        "The program on port {port} is not a mail server, or it expects TLS from the first byte. Check "
        "the port: 587 (STARTTLS) or 465 (Implicit TLS).",
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
        "On port {port} the server starts in plain text. Choose STARTTLS, or the port for TLS from the "
        "first byte (usually 465).",
        kinds=("tls_wrong_version",),
        when=lambda facts: facts.security == "tls",
    ),
    Rule(
        "The server agreed to STARTTLS but then did not speak TLS. Antivirus software or a firewall may "
        "be altering the connection. Try another port: {other_ports}.",
        kinds=("tls_wrong_version",),
    ),
    Rule(
        "Something between this node and the relay removes STARTTLS, which {relay} always offers. "
        "Antivirus software, a firewall or the ISP alters the connection. Try another port: "
        "{other_ports}.",
        kinds=("tls_not_offered",),
        when=lambda facts: bool(facts.owner),
    ),
    Rule(
        "Try port 587 with STARTTLS, or port 465 with Implicit TLS. Choose None only for your own server "
        "on a network you trust: mail and password are then sent unencrypted.",
        kinds=("tls_not_offered",),
    ),
    Rule(
        _INTERCEPTED,
        kinds=("cert_self_signed", "cert_unknown_ca", "cert_hostname"),
        when=lambda facts: bool(facts.owner),
    ),
    Rule(
        "If it is your own server, give it a trusted certificate (for example from Let's Encrypt), or "
        + _TRUST
        + ".",
        kinds=("cert_self_signed",),
    ),
    Rule(
        "If it is your own server, make it send its intermediate certificates too. If its authority is "
        "private, " + _TRUST + ".",
        kinds=("cert_unknown_ca",),
    ),
    Rule(
        "Certificates rarely contain IP addresses. Enter the server's name as the host.",
        kinds=("cert_hostname",),
        when=_is_ip,
    ),
    Rule(
        "Enter the host exactly as in the certificate. `openssl s_client -connect {host}:{port}` (add "
        "-starttls smtp for STARTTLS) shows its names.",
        kinds=("cert_hostname",),
    ),
    Rule(
        "Renew the certificate on the server. If it has not expired, this node's clock is wrong: check it "
        "with `timedatectl`.",
        kinds=("cert_expired",),
    ),
    Rule(
        "The two sides have no encryption method in common. The server may only support TLS older than "
        "1.2. Update it, or try another port: {other_ports}.",
        kinds=("tls_failed",),
    ),
    # --- anywhere
    Rule(
        "Open Mail Relay, type the password again and save. Or put the old key back into the key file.",
        kinds=("password_unreadable",),
    ),
    Rule(
        "Use an address in plain ASCII letters for that recipient, or a relay that offers SMTPUTF8.",
        kinds=("smtputf8_not_offered",),
    ),
    Rule(
        "The server hung up immediately. It may have blocked this node's address (too many failed "
        "sign-ins, a blocklist), or it may be overloaded. Wait a few minutes, then check the server's "
        "log.",
        kinds=("closed",),
        stages=("connect",),
        when=lambda facts: facts.code is None,
    ),
    Rule(
        "The connection broke off. Try again. If it keeps happening, check the server's log, or try "
        "another port: {other_ports}.",
        kinds=("closed",),
        when=lambda facts: facts.code is None,
    ),
    Rule(
        "The server is slow, or the network drops packets. Try again. If it keeps happening, try another "
        "port: {other_ports}.",
        kinds=("timeout",),
    ),
)
