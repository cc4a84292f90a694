#!/bin/bash
# Runs before each start of Postfix, for what environment variables cannot configure. Written by Quazzar.
# In a subshell, because the image sources executable scripts.
(
set -e
# Some images run scripts from two directories, and the volume is mounted at both. Once per start is enough.
start=$(cut -d' ' -f22 /proc/1/stat)
[ "$(cat /run/quazzar-init 2>/dev/null)" != "$start" ] || exit 0
tables=/mail-config/postfix
queue=$(postconf -h queue_directory)

# --- the queue, on the mail volume
# Dovecot's uid owns the mail, but not the directory above it, where it could rename the queue.
# The commands below run as root, so no name may be a link that a service's user created.
[ ! -L "$queue" ] || rm -f "$queue"
mkdir -p "$queue"
chown -h root:root "$queue"
chmod 0755 "$queue"
chown root /mail-data
[ "$(stat -c %g /mail-data)" != 0 ] || chgrp 1000 /mail-data
chmod 1775 /mail-data
# Another image may use other user ids.
for directory in active bounce corrupt defer deferred flush hold incoming private saved trace maildrop public; do
  [ ! -d "$queue/$directory" ] || chown -hR postfix "$queue/$directory"
done
for directory in maildrop public; do
  [ ! -d "$queue/$directory" ] || chgrp -hR postdrop "$queue/$directory"
done
# After a start, retry waiting mail at once. The time of the next attempt is the file's modification time.
[ ! -d "$queue/deferred" ] || find "$queue/deferred" -type f -exec touch -c -h {} +
# In the environment, an empty value means Postfix's default, which is the host's own name: mail for root would be accepted,
# and a mail domain of that name would not work. Without a list of Unix accounts, all names at an address of the container
# get the same answer, and /etc/aliases is not read.
postconf -e mydestination= local_recipient_maps= alias_maps= alias_database=
# Services in a chroot look for resolv.conf in the queue directory, and would otherwise not find rspamd or dovecot.
postconf -F '*/*/chroot=n'
# The number of sessions at once. No limit counts by address (see environment.py).
postconf -F smtp/inet/process_limit=200

# --- tables
mkdir -p $tables
chmod 0750 $tables
for table in domains mailboxes aliases senders tls_policy sasl_passwd port25_commands submission_commands; do
  [ -e $tables/$table ] || install -m 0640 /dev/null $tables/$table
done
postmap lmdb:$tables/{domains,mailboxes,aliases,senders,tls_policy,sasl_passwd}
chmod 0600 $tables/sasl_passwd $tables/sasl_passwd.lmdb

# --- smarthost: the image clears relayhost at each start
if [ -s $tables/relayhost ]; then
  postconf -e "relayhost=$(cat $tables/relayhost)"
fi
if [ -s $tables/relay_wrappermode ]; then
  postconf -e "smtp_tls_wrappermode=$(cat $tables/relay_wrappermode)"
fi
if [ -s $tables/authorities.pem ]; then
  postconf -e "smtp_tls_CAfile=$tables/authorities.pem"
fi

# --- the sockets of Dovecot and Rspamd: only Postfix may enter. Older containers use ports instead.
sockets=/mail-sockets
quota=inet:dovecot:12340
if [ -d $sockets ]; then
  quota=unix:$sockets/dovecot/quota
  # The directories are in one that root owns, so that no name here can be a link that a service's user created.
  mkdir -p $sockets/dovecot $sockets/rspamd
  chown root:postfix $sockets/dovecot
  chown 11333:postfix $sockets/rspamd
  chmod 0710 $sockets/dovecot $sockets/rspamd
fi

# --- 587 and 465: AUTH is offered only here, and Rspamd signs what comes from a login
postconf -MX submissions/inet smtps/inet 465/inet
# A new process for each session: a process that lived on could hold a dead connection to a Dovecot that was restarted,
# and refuse the next login. The rest is in main.cf, because -P accepts no value with a space.
postconf -e "quazzar_submission_recipients = reject_non_fqdn_recipient, reject_unlisted_recipient,\
 check_policy_service $quota, permit_sasl_authenticated, reject"
postconf -M '465/inet=465 inet n - n - 200 smtpd' 'submission/inet=submission inet n - n - 200 smtpd'
# Submitted mail is completed (RFC 6409 section 8), and does not reveal where its sender is. Missing parts of a stranger's
# mail are a sign of spam, so they are not added.
postconf -M 'submission-cleanup/unix=submission-cleanup unix n - n - 0 cleanup'
postconf -P submission-cleanup/unix/always_add_missing_headers=yes \
  submission-cleanup/unix/header_checks=regexp:/mail-config/postfix/submission_headers
settings=()
for service in submission 465; do
  [ $service = 465 ] && log=submissions || log=submission
  settings+=(
    $service/inet/syslog_name=postfix/$log
    $service/inet/max_use=1
    $service/inet/cleanup_service_name=submission-cleanup
    $service/inet/smtpd_sasl_auth_enable=yes
    $service/inet/smtpd_tls_auth_only=yes
    $service/inet/smtpd_tls_security_level=encrypt
    $service/inet/smtpd_command_filter=regexp:$tables/submission_commands
    $service/inet/smtpd_client_restrictions=
    $service/inet/smtpd_helo_restrictions=
    $service/inet/smtpd_sender_restrictions=reject_non_fqdn_sender,reject_sender_login_mismatch
    $service/inet/smtpd_relay_restrictions=permit_sasl_authenticated,reject
    "$service/inet/smtpd_recipient_restrictions=\$quazzar_submission_recipients"
  )
done
postconf -P "${settings[@]}" 465/inet/smtpd_tls_wrappermode=yes

# --- DKIM keys, for Rspamd: see write_bundle.sh
if [ -d /mail-dkim ]; then
  mkdir -p /mail-dkim/keys /mail-dkim/domains
  # Left over from 0.3.0: OpenDKIM's files, and files written before this volume was mounted here.
  find /mail-dkim -maxdepth 1 -type f -delete
  if [ -d /mail-config/dkim ]; then
    cp -R /mail-config/dkim/{keys,domains} /mail-dkim/ || true
    rm -rf /mail-config/dkim
  fi
  chown -hR root:11333 /mail-dkim
  find /mail-dkim -type d -exec chmod 0750 {} +
  find /mail-dkim -type f -exec chmod 0640 {} +
fi
echo "$start" >/run/quazzar-init
)
