# Copies the volumes while no container of the stack runs. $1: the upgrade's number.
# Mail is hard-linked: a mail that is written never changes, so its copy costs no room. Everything that is changed in
# place is copied: indexes, lists, the queue, configuration and keys.
set -euo pipefail
copy=/mail-data/.quazzar-upgrade
rm -rf -- "$copy"
install -d -m 0700 -o root -g root "$copy" "$copy/data" "$copy/config" "$copy/dkim"
cd /mail-data
find . -mindepth 1 -maxdepth 1 ! -name '.quazzar-*' -exec cp -al -t "$copy/data" -- {} +
find . -path './.quazzar-*' -prune -o -type f ! -path '*/cur/*' ! -path '*/new/*' -print0 |
  xargs -0 -r cp -a --parents --remove-destination -t "$copy/data" --
cp -a /mail-config/. "$copy/config/"
cp -a /mail-dkim/. "$copy/dkim/"
sync -f "$copy"
# Only now is it a copy to go back to.
printf '%s\n' "$1" >"$copy/saved"
sync -f "$copy/saved"
