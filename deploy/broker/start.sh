#!/bin/sh
# The password goes to the server on its standard input, because everybody may read a command line.
set -eu
exec valkey-server - <<END
requirepass $(cat /run/secrets/broker_password)
dir /broker
save ""
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
END
