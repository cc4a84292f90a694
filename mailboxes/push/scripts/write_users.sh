# Runs in the dovecot container: replaces the users file and the directory fresh, or leaves both unchanged.
# usage: write_users.sh EXPECTED; stdin: "LENGTH SHA256 COUNT", COUNT lines "NAME LINE" for the files fresh/NAME, then LENGTH bytes.
# Needs bash. exit: 75 another writer holds the lock, 76 the generation is not EXPECTED, 77 the input is incomplete.
# It runs as few programs as possible, because each delays a new mailbox by two milliseconds.
set -eu
umask 027
expected=$1
cd /etc/dovecot
exec 9>.quazzar.lock.users
flock -w 10 9 || exit 75
# We hold the lock, so these are left over from a killed writer.
for left in .quazzar.users.* fresh/.new/*; do
  [ ! -e "$left" ] || rm -f "$left"
done
read -r length sum count || exit 77
if [ "$expected" != any ]; then
  first=''
  [ ! -e users ] || read -r first <users || true
  [ "${first#\# quazzar generation }" = "$expected" ] || exit 76
fi
[ -d fresh/.new ] || (umask 022 && mkdir -p fresh/.new)
# e3 is for listing users (dovecot.conf), and stays.
names=' e3 '
while [ "$((count--))" -gt 0 ]; do
  read -r name line || exit 77
  printf '%s\n' "$line" >>"fresh/.new/$name"
  names+="$name "
done
new=.quazzar.users.$$
trap '[ ! -e "$new" ] || rm -f "$new"' EXIT
# dd with large blocks and fsync takes half the time of head and sync.
dd of="$new" count="$length" bs=256K iflag=count_bytes,fullblock conv=fsync status=none
fresh=(fresh/.new/*)
[ -e "${fresh[0]}" ] || fresh=()
printf -v now '%(%s)T' -1
{ chown root:dovecot "$new" "${fresh[@]}" && touch -d "@$now" "$new" "${fresh[@]}"; } &
# A lost connection looks like the end of the input; only length and digest tell the difference.
found=$(sha256sum <"$new")
wait $!
[ "$found" = "$sum  -" ] || exit 77
# Dovecot compares times by the second, so two writes within one second must get different ones.
[ users -ot "$new" ] || touch -d "@$(($(stat -c %Y users) + 1))" "$new" "${fresh[@]}"
# First the lines go that nobody may use any more: at any moment, fresh only has lines of this users file or the next.
gone=()
for file in fresh/*; do
  [[ $names = *" ${file#fresh/} "* ]] || gone+=("$file")
done
[ ${#gone[@]} = 0 ] || rm -f "${gone[@]}"
[ ${#fresh[@]} = 0 ] || mv -f "${fresh[@]}" fresh
# The bytes are on disk, so after a crash either the old or the new file is there, complete. The sweep finds out which,
# so there is no need to wait for the directory to be synced.
mv -f "$new" users
