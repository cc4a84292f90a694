#!/bin/sh
# Creates the cluster and the empty database at the first start, then runs PostgreSQL.
set -eu
data=/database/data
if [ ! -s "$data/PG_VERSION" ]; then
    rm -rf "$data.new"
    initdb --pgdata="$data.new" --username=quazzar --pwfile=/run/secrets/database_password \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-instructions >/dev/null
    echo 'CREATE DATABASE quazzar' | postgres --single -D "$data.new" postgres >/dev/null
    echo 'host all all all scram-sha-256' >>"$data.new/pg_hba.conf"
    mv "$data.new" "$data"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp -c max_connections=200
