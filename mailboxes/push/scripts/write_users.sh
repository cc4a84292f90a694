# Runs in the dovecot container: replaces the users file, or leaves it unchanged.
# usage: write_users.sh EXPECTED; stdin: "LENGTH SHA256", a line break, then LENGTH bytes.
# Needs bash. exit: 75 another writer holds the lock, 76 the generation is not EXPECTED, 77 the input is incomplete.
# It runs as few programs as possible, because each delays a new mailbox by two milliseconds.
set -eu
umask 027
expected=$1
cd /etc/dovecot
exec 9>.quazzar.lock.users
flock -w 10 9 || exit 75
# We hold the lock, so these are left over from a killed writer.
for left in .quazzar.users.*; do
  [ ! -e "$left" ] || rm -f "$left"
done
read -r length sum || exit 77
if [ "$expected" != any ]; then
  first=''
  [ ! -e users ] || read -r first <users || true
  [ "${first#\# quazzar generation }" = "$expected" ] || exit 76
fi
new=.quazzar.users.$$
trap '[ ! -e "$new" ] || rm -f "$new"' EXIT
# dd with large blocks and fsync takes half the time of head and sync.
dd of="$new" count="$length" bs=256K iflag=count_bytes,fullblock conv=fsync status=none
printf -v now '%(%s)T' -1
{ chown root:dovecot "$new" && touch -d "@$now" "$new"; } &
# A lost connection looks like the end of the input; only length and digest tell the difference.
found=$(sha256sum <"$new")
wait $!
[ "$found" = "$sum  -" ] || exit 77
# Dovecot compares times by the second, so two writes within one second must get different ones.
[ users -ot "$new" ] || touch -d "@$(($(stat -c %Y users) + 1))" "$new"
# The bytes are on disk, so after a crash either the old or the new file is there, complete. The sweep finds out which,
# so there is no need to wait for the directory to be synced.
mv -f "$new" users
