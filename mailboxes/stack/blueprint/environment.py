"""Postfix's settings as environment variables: the image turns each ``POSTFIX_x=y`` into ``x = y``. Pure."""

from __future__ import annotations

_TABLES = "lmdb:/mail-config/postfix"
#: The three talk to one another without a login. On a TCP port every local user of Docker's machine could speak
#: it, by the container's address; a socket asks for the right to enter its directory (files/50-quazzar.sh).
_SOCKETS = "/mail-sockets"


def postfix(hostname: str) -> tuple[tuple[str, str], ...]:
    """The environment, sorted. It must not hold secrets: everybody who may inspect the container can read it."""
    settings = {f"POSTFIX_{name}": value for name, value in _settings(hostname).items()}
    return tuple(sorted({"ALLOW_EMPTY_SENDER_DOMAINS": "true", **settings}.items()))


def _settings(hostname: str) -> dict[str, str]:
    return {
        "myhostname": hostname,
        **_RELAYING,
        **_LOOKUPS,
        **_TLS,
        **_FILTERS,
        **_LIMITS,
        **_SMARTHOST,
    }


#: Behind Docker's NAT strangers have a private address, and the image trusts those by default.
_RELAYING = {
    "mynetworks": "127.0.0.0/8 [::1]/128",
    "smtpd_client_restrictions": "",
    "smtpd_sender_restrictions": "reject_non_fqdn_sender",
    "smtpd_relay_restrictions": "permit_mynetworks,reject_unauth_destination",
    "smtpd_recipient_restrictions": "reject_non_fqdn_recipient,reject_unlisted_recipient,"
    f"check_policy_service unix:{_SOCKETS}/dovecot/quota",
    "smtpd_sasl_type": "dovecot",
    "smtpd_sasl_path": f"{_SOCKETS}/dovecot/sasl",
    # On for ports 587 and 465 only: see files/50-quazzar.sh.
    "smtpd_sasl_auth_enable": "no",
}
_LOOKUPS = {
    # No mail is delivered to Unix accounts. Without this, user@[an address of the container] would be, whatever
    # mydestination says (postconf(5), mydestination).
    "local_transport": "error:5.1.1 No such mailbox",
    "virtual_mailbox_domains": f"{_TABLES}/domains",
    "virtual_mailbox_maps": f"{_TABLES}/mailboxes",
    "virtual_alias_maps": f"{_TABLES}/aliases",
    "smtpd_sender_login_maps": f"{_TABLES}/senders",
    "virtual_transport": f"lmtp:unix:{_SOCKETS}/dovecot/lmtp",
    "lmtp_delivery_status_filter": "regexp:/mail-config/postfix/lmtp_status",
    "recipient_delimiter": "+",
    # The queue is in a volume, so it survives when the container is recreated.
    "queue_directory": "/mail-data/.postfix-queue",
}
_TLS = {
    # The key comes first. The other two are empty, or the image would use its own pair, which everybody has.
    "smtpd_tls_chain_files": "/mail-config/tls/tls.key /mail-config/tls/tls.crt",
    "smtpd_tls_cert_file": "",
    "smtpd_tls_key_file": "",
    "smtpd_tls_security_level": "may",
    "smtpd_tls_auth_only": "yes",
    # For the submission ports, where TLS is mandatory (RFC 8997, RFC 8314 section 4.1): what Dovecot takes
    # on 993. Port 25 takes everything, because the alternative is plain text.
    "smtpd_tls_mandatory_protocols": ">=TLSv1.2",
    "smtpd_tls_mandatory_ciphers": "high",
    # Postfix switches OpenSSL's security level off by default; this is Debian's own, with which Dovecot runs.
    "tls_high_cipherlist": "aNULL:-aNULL:HIGH:@STRENGTH:@SECLEVEL=2",
    "smtpd_tls_mandatory_exclude_ciphers": "aNULL,eNULL,kRSA,kDHE,kDHEPSK,kPSK,kRSAPSK,kECDHEPSK,SRP,aDSS,EXPORT,"
    "DES,3DES,MD5,RC4,LOW,SEED,IDEA,AESCCM8",
}
_FILTERS = {
    "smtpd_milters": f"unix:{_SOCKETS}/rspamd/milter",
    "non_smtpd_milters": "",
    # While Rspamd is down, senders are asked to try again: no mail comes in unchecked.
    "milter_default_action": "tempfail",
}
_LIMITS = {
    # Behind Docker's NAT all clients have the gateway's address, so none of Postfix's limits may count by address
    # (anvil(8)). The number of processes for each port (files/50-quazzar.sh) and these times bound the server instead.
    "smtpd_client_connection_count_limit": "0",
    "smtpd_client_connection_rate_limit": "0",
    "smtpd_client_message_rate_limit": "0",
    "smtpd_client_recipient_rate_limit": "0",
    "smtpd_client_new_tls_session_rate_limit": "0",
    "smtpd_client_auth_rate_limit": "0",
    # Seconds without a command. All processes of a port busy is "stress" (postconf(5)).
    "smtpd_timeout": "${stress?{10}:{60}}s",
    "message_size_limit": "26214400",
    "strict_rfc821_envelopes": "yes",
    "disable_vrfy_command": "yes",
    # Strangers order no reports (Postfix's DSN_README, "Restricting the scope of success notifications").
    "smtpd_command_filter": "regexp:/mail-config/postfix/port25_commands",
    # Dovecot's LMTP does not support SMTPUTF8. If Postfix announced it, such mail would be accepted, then bounced.
    "smtputf8_enable": "no",
    # While Dovecot is down, mail waits in the queue. The default retries only every five minutes.
    "queue_run_delay": "30s",
    "minimal_backoff_time": "60s",
    # Without Dovecot, the submission ports fail to start. By default they would not answer for another minute.
    "service_throttle_time": "1s",
    # The address of a bounce that cannot be delivered was most likely forged.
    "bounce_queue_lifetime": "1d",
}
_SMARTHOST = {
    "smtp_sasl_auth_enable": "yes",
    "smtp_sasl_password_maps": f"{_TABLES}/sasl_passwd",
    "smtp_sasl_security_options": "noanonymous",
    # After a refused login the same one is not tried again for a while, whatever comes in: if each mail tried on its
    # own, each would be one more failed login, and servers lock out after a few. Another password is tried at once
    # (postconf(5), smtp_sasl_auth_cache_name). Start with two connections: each may try a wrong password once.
    "smtp_sasl_auth_cache_name": "proxy:lmdb:/var/lib/postfix/sasl_auth_cache",
    "smtp_sasl_auth_cache_time": "15m",
    "smtp_initial_destination_concurrency": "2",
    "smtp_tls_policy_maps": f"{_TABLES}/tls_policy",
    "smtp_tls_security_level": "may",
    # For the smarthost, where TLS is mandatory (RFC 8997).
    "smtp_tls_mandatory_protocols": ">=TLSv1.2",
    "smtp_tls_mandatory_ciphers": "high",
    # The image's list; with a smarthost the node's own authorities take its place, see push/scripts/write_bundle.sh.
    "smtp_tls_CAfile": "/etc/ssl/certs/ca-certificates.crt",
}
