#!/bin/sh
exec /usr/sbin/postfix -c /etc/postfix start-fg
