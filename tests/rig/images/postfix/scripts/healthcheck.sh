#!/bin/sh
# Healthy: Postfix greets on 587, and OpenDKIM (unless there was nothing to sign with) takes a connection.
set -e
[ ! -f /tmp/container_is_terminating ] || exit 0
echo "Postfix check..."
printf 'EHLO healthcheck\nquit\n' | { while read -r line; do sleep 1; echo "$line"; done; } |
  nc -w 2 127.0.0.1 587 | grep -qE '^220.*ESMTP Postfix'
echo "DKIM check..."
[ -f /tmp/no_open_dkim ] || printf '\030Clocalhost\0004\000\000127.0.0.1\000' | nc -w 2 127.0.0.1 8891
echo "All OK!"
