# What a copy of the volumes takes, and how much is free: "bytes files free-bytes free-files".
set -euo pipefail
cd /mail-data
bytes=0 files=0
while read -r size; do
  bytes=$((bytes + size + 4096)) files=$((files + 1))
done < <(
  find . -path './.quazzar-*' -prune -o -type d -printf '4096\n' -o -type f ! -path '*/cur/*' ! -path '*/new/*' -printf '%s\n'
  find /mail-config /mail-dkim -printf '%s\n'
)
# A file system that counts no files prints "-".
read -r free_bytes free_files < <(df -B1 --output=avail,iavail . | tail -n 1)
echo "$bytes $files $free_bytes $free_files"
