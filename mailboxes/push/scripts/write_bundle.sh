# Runs in the postfix container: replaces tables, maps, keys, certificate and smarthost; each file whole.
# usage: write_bundle.sh EXPECTED NEW ACTIONS…; stdin: "LENGTH SHA256", a line break, then a tar of LENGTH bytes.
# ACTIONS: tables dkim relay. exit: 75, 76, 77 as in write_users.sh.
set -eu
umask 077
expected=$1
new=$2
shift 2
config=/mail-config
keys=/etc/opendkim/keys
mkdir -p $config/postfix
exec 9>$config/.quazzar.lock.bundle
flock -w 10 9 || exit 75
# We hold the lock, so these are leftovers of a killed writer.
rm -rf $config/.quazzar.bundle.* $keys/.quazzar.*
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

# From here on each file is replaced by a rename. If this ends in between, the generation is still the old one, and
# the next writer writes everything again.
if [ -d "$work/new/dkim" ]; then
  # Another volume: copy the files into it first, because a rename is atomic only within one volume.
  mkdir "$keys/.quazzar.new"
  cp "$work"/new/dkim/* "$keys/.quazzar.new/"
  chown -h opendkim:opendkim "$keys"/.quazzar.new/*
  sync "$keys"/.quazzar.new/*
  # Keys before the tables that name them: a row without its key would delay that domain's mail.
  for file in "$keys"/.quazzar.new/*.private; do
    [ ! -e "$file" ] || mv -f "$file" "$keys/"
  done
  mv -f "$keys"/.quazzar.new/*Table "$keys/"
  rmdir "$keys/.quazzar.new"
  sync "$keys"
fi
if [ -d "$work/new/rspamd" ]; then
  # Rspamd compares times by the second, so two writes within one second must get different ones.
  printf -v now '%(%s)T' -1
  for old in $(stat -c %Y $config/rspamd/*.map 2>/dev/null); do
    [ "$now" -gt "$old" ] || now=$((old + 1))
  done
  touch -d "@$now" "$work"/new/rspamd/*
fi
# smtpd remembers for some seconds whether the domain that it was last asked for is ours.
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
      postconf -e "relayhost=$(cat $config/postfix/relayhost)" \
        "smtp_tls_wrappermode=$(cat $config/postfix/relay_wrappermode)"
      ;;
    dkim)
      # The image may lack pkill. The oldest process is the one that supervises the other.
      for process in $(ls /proc | grep '^[0-9]*$' | sort -n); do
        [ "$(cat "/proc/$process/comm" 2>/dev/null)" = opendkim ] || continue
        if ! grep -q second.conf "/proc/$process/cmdline"; then
          kill -USR1 "$process" || true
          break
        fi
      done
      # Missing in a stack that an older release created. What it starts must not inherit the lock.
      [ ! -e $config/postfix/second_signer ] || bash $config/postfix/second_signer 9>&- || true
      ;;
    reload)
      # Fails if the master is dead; the sweep then restarts the container.
      postfix reload >/dev/null 2>&1 || true
      ;;
  esac
done
# Remove keys that no row names any more.
if [ -d "$work/new/dkim" ]; then
  for file in "$keys"/*.private; do
    [ ! -e "$file" ] || [ -e "$work/new/dkim/${file##*/}" ] || rm -f "$file"
  done
fi
echo "$new" >"$work/generation"
chmod 0644 "$work/generation"
mv -f "$work/generation" $config/postfix/generation
sync $config/postfix
