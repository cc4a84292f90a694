# Runs in the dovecot container: replaces the users file and the directory fresh, or leaves both unchanged.
# usage: write_users.sh EXPECTED; stdin: "LENGTH SHA256 COUNT AT KEPT REST", the first line of the new users file, COUNT
# lines "NAME LINE" for the files fresh/NAME, then LENGTH bytes. The new file is its first line, KEPT bytes from AT of the
# old one, the LENGTH bytes, and the old one from REST on (-1: nothing).
# Needs bash, and runs as root with the group dovecot. exit: 75 another writer holds the lock, 76 the generation is not
# EXPECTED, 77 the input is incomplete, 78 the new file cannot be made of the old one.
# It runs as few programs as possible, because each delays a new mailbox by two milliseconds.
set -eu
export LC_ALL=C
expected=$1
cd /etc/dovecot
# Its group is dovecot's, like that of all that is made here; only root may hold the lock.
umask 077
exec 9>.quazzar.lock.users
umask 027
flock -w 10 9 || exit 75
# We hold the lock, so these are left over from a killed writer.
for left in .quazzar.users.* fresh/.new/*; do
  [ ! -e "$left" ] || rm -f "$left"
done
read -r length sum count at kept rest || exit 77
read -r first || exit 77
if [ "$expected" != any ]; then
  present=''
  [ ! -e users ] || read -r present <users || true
  [ "${present#\# quazzar generation }" = "$expected" ] || exit 76
fi
[ "$kept$rest" = 0-1 ] || [ -e users ] || exit 78
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
# dd with large blocks takes half the time of head and tail. bash reads byte by byte: a few lines sooner than dd starts.
{
  printf '%s\n' "$first"
  [ "$kept" = 0 ] || dd if=users skip="$at" count="$kept" bs=1M iflag=skip_bytes,count_bytes status=none
  if [ "$length" -gt 5000 ]; then
    dd count="$length" bs=256K iflag=count_bytes,fullblock status=none
  elif [ "$length" -gt 0 ]; then
    read -rN "$length" middle || exit 77
    printf '%s' "$middle"
  fi
  [ "$rest" = -1 ] || dd if=users skip="$rest" bs=1M iflag=skip_bytes status=none
} >"$new"
fresh=(fresh/.new/*)
[ -e "${fresh[0]}" ] || fresh=()
printf -v now '%(%s)T' -1
{ touch -d "@$now" "$new" "${fresh[@]}" && sync "$new"; } &
# A lost connection looks like the end of the input; only the digest tells the difference.
found=$(sha256sum <"$new")
wait $!
if [ "$found" != "$sum  -" ]; then
  [ "$kept$rest" = 0-1 ] || exit 78
  exit 77
fi
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
