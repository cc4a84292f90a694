#!/bin/sh
# The server reads the password from its standard input, because everybody can read a command line.
set -eu
exec valkey-server - <<END
requirepass $(cat /run/secrets/broker_password)
dir /broker
save ""
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
END
