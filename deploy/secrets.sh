#!/bin/sh
# Creates deploy/secrets/ for compose.yaml: passwords, Django's secret, and a self-signed certificate. Keeps existing files.
# Usage: deploy/secrets.sh [HOST NAME OF THE CONSOLE]
set -eu
host=${1:-localhost}
umask 077
mkdir -p "$(dirname "$0")/secrets"
cd "$(dirname "$0")/secrets"
random() { head -c 33 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'; }
for name in database_password broker_password django_secret; do
    [ -s "$name" ] || random >"$name"
done
[ -s database_url ] || printf 'postgresql://quazzar:%s@database:5432/quazzar' "$(cat database_password)" >database_url
[ -s broker_url ] || printf 'redis://:%s@broker:6379/0' "$(cat broker_password)" >broker_url
[ -s tls.crt ] || openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj "/CN=$host" \
    -addext "subjectAltName=DNS:$host" -keyout tls.key -out tls.crt 2>/dev/null
# The containers run as different users, so the files are readable, but the folder is closed (0700).
chmod 444 ./*
