#!/bin/sh
# Starts NATS in its image: with a certificate that it makes itself, and for those whom the database
# names, who come and go as workers are enrolled and removed.
set -eu
cd /var/lib/nats
[ -e key.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 3650 \
    -subj /CN=nats -addext subjectAltName=DNS:nats,DNS:localhost \
    -keyout key.pem -out /var/lib/authority/certificate.pem
cat >nats.conf <<END
port: 4222
pid_file: "nats.pid"
max_payload: 8MB
tls { cert_file: "/var/lib/authority/certificate.pem", key_file: "key.pem" }
include "tailrun-users.conf"
END
# Without users it would let everybody in: it starts once they are known.
until tailrun nats-config --file tailrun-users.conf; do
    sleep 1
done
tailrun nats-config --watch --file tailrun-users.conf --reload nats.pid &
exec tini -- nats-server --config nats.conf
