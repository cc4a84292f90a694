# Runs in the postfix container: replaces tables, maps, DKIM keys, certificate and smarthost, each file as a whole.
# usage: write_bundle.sh EXPECTED NEW ACTIONS…; stdin: "LENGTH SHA256", a line break, then a tar of LENGTH bytes.
# ACTIONS: tables dkim relay. exit: 75, 76, 77 as in write_users.pl.
set -eu
umask 077
expected=$1
new=$2
shift 2
config=/mail-config
# Rspamd signs, and reads the keys through its group. 11333 is its uid and gid in its image.
rspamd=11333
dkim=/mail-dkim
# In a container that 0.3.0 created, that volume is elsewhere, and its Rspamd does not have it.
[ -d $dkim ] || dkim=$config/dkim
mkdir -p $config/postfix
exec 9>$config/.quazzar.lock.bundle
flock -w 10 9 || exit 75
# We hold the lock, so these are left over from a killed writer.
rm -rf $config/.quazzar.bundle.* $dkim/.quazzar.*
read -r length sum || exit 77
if [ "$expected" != any ]; then
  current=''
  [ ! -e $config/postfix/generation ] || read -r current <$config/postfix/generation || true
  [ "$current" = "$expected" ] || exit 76
fi
work=$(mktemp -d $config/.quazzar.bundle.XXXXXX)
trap 'rm -rf "$work"' EXIT
timeout 120 head -c "$length" >"$work/bundle.tar" || exit 77
[ "$(sha256sum <"$work/bundle.tar")" = "$sum  -" ] || exit 77
mkdir "$work/new"
tar -xmf "$work/bundle.tar" -C "$work/new" --no-same-owner -p

# From here on, each file is replaced by a rename. If the script is killed in between, the generation is still the old one, and
# the next writer writes everything again.
case " $* " in
  *" dkim "*)
    mkdir -p $dkim/keys $dkim/domains "$work"/new/dkim/{keys,domains}
    # This may be another volume: copy the files to it first, because a rename is atomic only within one volume.
    copy=$(mktemp -d $dkim/.quazzar.XXXXXX)
    cp -R "$work/new/dkim/." "$copy"
    find "$copy" -type f -exec chmod 0640 {} + -exec sync {} +
    chown -hR root:$rspamd "$copy" $dkim
    chmod 0750 $dkim $dkim/keys $dkim/domains
    # Keys before the files that name them. Rspamd reads both for each mail.
    for directory in keys domains; do
      find "$copy/$directory" -type f -exec mv -f -t "$dkim/$directory" {} +
      sync $dkim/$directory
    done
    rm -rf "$copy"
    ;;
esac
if [ -d "$work/new/rspamd" ]; then
  # Rspamd compares times by the second, so two writes within one second must get different ones.
  printf -v now '%(%s)T' -1
  for old in $(stat -c %Y $config/rspamd/*.map 2>/dev/null); do
    [ "$now" -gt "$old" ] || now=$((old + 1))
  done
  touch -d "@$now" "$work"/new/rspamd/*
fi
# smtpd remembers for some seconds whether the last domain is ours.
if [ -e "$work/new/postfix/domains" ]; then
  known=$(sha256sum <$config/postfix/domains || true)
  [ "$(sha256sum <"$work/new/postfix/domains")" = "$known" ] || set -- "$@" reload
fi
for directory in postfix rspamd tls; do
  [ -d "$work/new/$directory" ] || continue
  sync "$work/new/$directory"/*
  mv -f "$work/new/$directory"/* "$config/$directory/"
  sync "$config/$directory"
done

for action in "$@"; do
  case $action in
    tables)
      (cd $config/postfix && postmap lmdb:domains lmdb:mailboxes lmdb:aliases lmdb:senders)
      ;;
    relay)
      (cd $config/postfix && postmap lmdb:sasl_passwd lmdb:tls_policy)
      chmod 0600 $config/postfix/sasl_passwd $config/postfix/sasl_passwd.lmdb
      # A file without a certificate would switch TLS off, for all mail.
      authorities=$config/postfix/authorities.pem
      [ -s $authorities ] || authorities=/etc/ssl/certs/ca-certificates.crt
      postconf -e "relayhost=$(cat $config/postfix/relayhost)" \
        "smtp_tls_wrappermode=$(cat $config/postfix/relay_wrappermode)" "smtp_tls_CAfile=$authorities"
      ;;
    reload)
      # Fails if the master is dead; the sweep then restarts the container.
      postfix reload >/dev/null 2>&1 || true
      ;;
  esac
done
# Remove keys that no file names any more, and files of removed domains.
if [ -d "$work/new/dkim" ]; then
  for file in $dkim/domains/* $dkim/keys/*; do
    [ ! -e "$file" ] || [ -e "$work/new/dkim/${file#"$dkim/"}" ] || rm -f "$file"
  done
fi
echo "$new" >"$work/generation"
chmod 0644 "$work/generation"
mv -f "$work/generation" $config/postfix/generation
sync $config/postfix
