#!/usr/bin/env bash
# The start of the real image, step for step as far as anything outside can tell.
set -e
main=/etc/postfix/main.cf

say() { echo "‣ $*"; }
refuse() { echo "‣ ERROR $*" >&2 && exit 1; }
put() { postconf -e "$1"; }
# A setting leaves: commented out, or dropped where a comment of that name is there already.
drop() {
  grep -qE "^$1\s*=" "$main" || return 0
  if grep -qE "^#\s*$1\s*=" "$main"; then postconf -X "$1"; else postconf -# "$1" >/dev/null; fi
}

prepare() {
  say "POSTFIX STARTING UP (debian)"
  chmod 1777 /tmp /var/run
  [ -f /tmp/rsyslog.conf ] || cp /etc/rsyslog.conf /tmp/rsyslog.conf
  mkdir -p /etc/postfix /etc/opendkim/keys
  cp -rn --update=none /etc/postfix.template/. /etc/postfix/
  mkdir -p /var/spool/postfix/{pid,dev,private,public}
  chown root: /var/spool/postfix /var/spool/postfix/pid
  chown -R postfix:postdrop /var/spool/postfix/{private,public}
  put manpage_directory=/usr/share/man
  postfix -c /etc/postfix set-permissions >/dev/null 2>&1 || true
}

# Debian's services run chrooted in the spool, and find these files there (and nowhere else).
fill_chroot() {
  local root=/var/spool/postfix name
  mkdir -p "$root/etc" "$root/usr/share/zoneinfo"
  cp -fPpr /usr/share/zoneinfo/* "$root/usr/share/zoneinfo/"
  for name in localtime nsswitch.conf resolv.conf services host.conf hosts passwd; do
    [ ! -e "/etc/$name" ] || cp -fp "/etc/$name" "$root/etc/"
  done
}

lay_out() {
  put default_database_type=lmdb
  sed -i -E 's/(hash|btree):/lmdb:/g' "$main"
  postalias /etc/aliases 2>/dev/null || true
  put smtputf8_enable=yes
  touch /etc/postfix/aliases
  postalias /etc/postfix/aliases
  put mydestination=
  put relay_domains=
  put header_size_limit=4096000
  : "${POSTFIX_message_size_limit:=0}"
  put smtpd_delay_reject=yes
  put smtpd_helo_required=yes
  put smtpd_client_restrictions=permit_mynetworks,permit_sasl_authenticated,reject
  put smtpd_helo_restrictions=permit_mynetworks,reject_invalid_helo_hostname,permit
  put smtpd_sender_restrictions=permit_mynetworks,reject
  drop myhostname
  : "${POSTFIX_myhostname:=$HOSTNAME}" "${POSTFIX_smtp_tls_security_level:=may}"
}

relay() {
  if [ -n "$RELAYHOST" ]; then
    say "NOTE Forwarding all emails to $RELAYHOST"
    put "relayhost=$RELAYHOST"
    put smtp_tls_CAfile=/etc/ssl/certs/ca-certificates.crt
  else
    say "NOTE Postfix is configured to deliver messages directly (without relaying)."
    drop relayhost
    drop smtp_sasl_auth_enable
    drop smtp_sasl_password_maps
    drop smtp_sasl_security_options
  fi
  put "smtp_sasl_mechanism_filter=$(saslpluginviewer -c | sed -n 's/^Plugin "\([^"]*\)".*/\1/p' |
    grep -v EXTERNAL | sed 's/^digestmd5$/DIGEST-MD5/; s/^crammd5$/CRAM-MD5/' | paste -sd,)"
  : "${POSTFIX_mynetworks:=${MYNETWORKS:-127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16}}"
}

senders() {
  local domain
  if [ -z "$ALLOWED_SENDER_DOMAINS" ]; then
    [ -n "$ALLOW_EMPTY_SENDER_DOMAINS" ] || refuse "You need to specify ALLOWED_SENDER_DOMAINS or" \
      "ALLOW_EMPTY_SENDER_DOMAINS, otherwise Postfix will not run!"
    return 0
  fi
  rm -f /etc/postfix/allowed_senders
  for domain in $ALLOWED_SENDER_DOMAINS; do
    printf '%s\tOK\n' "$domain" >>/etc/postfix/allowed_senders
  done
  postmap lmdb:/etc/postfix/allowed_senders
  put "smtpd_recipient_restrictions=reject_non_fqdn_recipient, reject_unknown_recipient_domain,\
 check_sender_access lmdb:/etc/postfix/allowed_senders, reject"
  put smtpd_relay_restrictions=permit
}

signing() {
  local milter=inet:localhost:8891 domain key
  if [ -z "$(find /etc/opendkim/keys -type f)" ]; then
    say "INFO No DKIM keys found, will not use DKIM."
    drop smtpd_milters
    drop non_smtpd_milters
    return 0
  fi
  say "NOTE Configuring OpenDKIM."
  mkdir -p /var/run/opendkim
  chown -R opendkim:opendkim /var/run/opendkim
  put milter_protocol=6
  put milter_default_action=accept
  put "smtpd_milters=$milter"
  put "non_smtpd_milters=$milter"
  echo >/etc/opendkim/KeyTable
  echo >/etc/opendkim/SigningTable
  echo 0.0.0.0/0 >/etc/opendkim/TrustedHosts
  for domain in $ALLOWED_SENDER_DOMAINS; do
    key=/etc/opendkim/keys/$domain.private
    [ -f "$key" ] || continue
    chown opendkim:opendkim "$key"
    echo "mail._domainkey.$domain $domain:mail:$key" >>/etc/opendkim/KeyTable
    echo "*@$domain mail._domainkey.$domain" >>/etc/opendkim/SigningTable
  done
}

overrides() {
  local variable name value
  for variable in ${!POSTFIX_*}; do
    name=${variable#POSTFIX_}
    [[ ! $name =~ ^MAIL(_[A-Z0-9]+)+ ]] || continue
    if [ -n "${!variable}" ]; then
      say "INFO Applying custom postfix setting: $name=${!variable}"
      put "$name=${!variable}"
    else
      say "INFO Deleting custom postfix setting: $name"
      drop "$name"
    fi
  done
  for variable in ${!OPENDKIM_*}; do
    name=${variable#OPENDKIM_} value=${!variable}
    if [ -z "$value" ]; then
      sed -i -E "/^[ \t]*#?[ \t]*$name[ \t]*.+$/d" /etc/opendkim/opendkim.conf
    elif grep -qE "^[[:space:]]*#?[[:space:]]*$name" /etc/opendkim/opendkim.conf; then
      # The slash is the real image's: a path as a value breaks the start there too.
      sed -i -E "s/^[ \t]*#?[ \t]*$name[ \t]*.+$/$(printf %-24s "$name")$value/" /etc/opendkim/opendkim.conf
    else
      printf '%-24s%s\n' "$name" "$value" >>/etc/opendkim/opendkim.conf
    fi
  done
}

run_init_scripts() {
  local directory script
  for directory in $(cat /scripts/init-directories); do
    [ -d "$directory" ] || continue
    say "NOTE Executing any found custom scripts found in $directory/..."
    for script in "$directory"/*; do
      case $script in
        *.sh) if [[ -x $script ]]; then . "$script"; else bash "$script"; fi ;;
        *) echo "$0: ignoring $script" ;;
      esac
    done
  done
}

prepare
fill_chroot
lay_out
relay
senders
signing
overrides
sed -i -E 's/^#submission/submission/' /etc/postfix/master.cf
run_init_scripts
unset RELAYHOST_PASSWORD SMTPD_SASL_USERS
say "NOTE Starting: rsyslog, crond, postfix"
exec supervisord -c /etc/supervisord.conf
