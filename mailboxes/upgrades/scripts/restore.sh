# Puts the copy of this upgrade ($1: its number) back, while no container of the stack runs. A run that was ended in the
# middle is continued. Without a whole copy nothing had been changed yet. Prints what it did.
set -euo pipefail
copy=/mail-data/.quazzar-upgrade
if [ "$(cat "$copy/saved" 2>/dev/null)" != "$1" ]; then
  echo nothing
  exit
fi
cd /mail-data
if [ ! -e "$copy/cleared" ]; then
  mkdir -p "$copy/left"
  find . -mindepth 1 -maxdepth 1 ! -name '.quazzar-*' -exec mv -f -t "$copy/left" -- {} +
  : >"$copy/cleared"
fi
find "$copy/data" -mindepth 1 -maxdepth 1 -exec mv -f -t /mail-data -- {} +
for part in config dkim; do
  find "/mail-$part" -mindepth 1 -delete
  cp -a "$copy/$part/." "/mail-$part/"
done
sync -f "$copy"
mv -f "$copy/saved" "$copy/restored"
echo restored
