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
# A cut connection looks like the end of the input: only length and digest tell.
head -c "$length" >"$new"
[ "$(sha256sum <"$new")" = "$sum  -" ] || exit 77
chown root:dovecot "$new"
# Dovecot notices another second or another size only: two writes in one second must differ in their second.
printf -v now '%(%s)T' -1
if [ -e users ]; then
  old=$(stat -c %Y users)
  [ "$now" -gt "$old" ] || now=$((old + 1))
fi
touch -d "@$now" "$new"
sync "$new"
mv -f "$new" users
sync .
