# Removes the copy: there is no way back any more. The mark goes first, so that half a copy is never put back.
set -euo pipefail
copy=/mail-data/.quazzar-upgrade
rm -f -- "$copy/saved"
rm -rf -- "$copy"
