#!/bin/sh
# grey.test: postgrey turns everybody away for two seconds. late.test: accepted, and bounced. forward.test: forwarded.
set -e
cp /etc/resolv.conf /etc/hosts /etc/services /var/spool/postfix/etc/ 2>/dev/null || true
printf 'friend@grey.test friend\nfriend@late.test friend\n' >/etc/postfix/boxes
printf 'lost@forward.test nobody@beta.test\nmoved@forward.test bob@beta.test\n' >/etc/postfix/forwards
printf 'grey.test greylisted\n' >/etc/postfix/domains
mkdir -p /var/mail/boxes && chown 5000:5000 /var/mail/boxes
postconf -e myhostname=mx.late.test mydestination= mynetworks=127.0.0.0/8 maillog_file=/dev/stdout \
  inet_interfaces=all inet_protocols=ipv4 smtp_tls_security_level=none smtpd_tls_security_level=none \
  virtual_mailbox_domains=grey.test,late.test virtual_mailbox_maps=texthash:/etc/postfix/boxes \
  virtual_mailbox_base=/var/mail/boxes virtual_uid_maps=static:5000 virtual_gid_maps=static:5000 \
  recipient_delimiter=+ virtual_alias_domains=forward.test virtual_alias_maps=texthash:/etc/postfix/forwards \
  smtpd_reject_unlisted_recipient=no smtpd_relay_restrictions=permit_mynetworks,reject_unauth_destination \
  smtpd_restriction_classes=greylisted greylisted=check_policy_service,inet:127.0.0.1:10023 \
  smtpd_recipient_restrictions=reject_unauth_destination,check_recipient_access,texthash:/etc/postfix/domains
sed -i -E 's/^(\S+\s+(inet|unix)\s+\S+\s+\S+\s+)y/\1n/' /etc/postfix/master.cf
postgrey --inet=127.0.0.1:10023 --delay=2 --dbdir=/var/lib/postgrey --daemonize
exec postfix start-fg
