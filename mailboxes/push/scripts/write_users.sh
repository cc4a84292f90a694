# Runs in the dovecot container: replaces the users file, or leaves it exactly as it is.
# usage: write_users.sh EXPECTED; stdin: "LENGTH SHA256", a line break, then LENGTH bytes.
# bash. exit: 75 another writer holds the lock, 76 the generation is not the expected one, 77 the bytes are not whole.
# As few programs as possible: each costs a new mailbox two milliseconds.
set -eu
umask 027
expected=$1
cd /etc/dovecot
exec 9>.quazzar.lock.users
flock -w 10 9 || exit 75
# We hold the lock, so what a killed writer left is nobody's.
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
# Large blocks that are on disk at once take half the time of head and sync.
dd of="$new" count="$length" bs=256K iflag=count_bytes,fullblock conv=fsync status=none
printf -v now '%(%s)T' -1
{ chown root:dovecot "$new" && touch -d "@$now" "$new"; } &
# A cut connection looks like the end of the input: only length and digest tell.
found=$(sha256sum <"$new")
wait $!
[ "$found" = "$sum  -" ] || exit 77
# Dovecot notices another second or another size only: two writes in one second must differ in their second.
[ users -ot "$new" ] || touch -d "@$(($(stat -c %Y users) + 1))" "$new"
# The bytes are on disk: whatever becomes of the machine, the old file or this one is there, whole. That it is this
# one is found out by the sweep, and need not be waited for.
mv -f "$new" users
