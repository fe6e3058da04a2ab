#!/bin/sh
# Serves the database in /data, which is made the first time. A server that is killed is started again at once, without
# the kubelet's growing delays; while /data/down exists it is not: that is how a test keeps the database down.
set -eu
export PGDATA=/data/postgres PGHOST=/data PGUSER=postgres

if [ ! -d "$PGDATA" ]; then
    rm -rf /data/new
    initdb --pgdata /data/new --username postgres --encoding UTF8 --locale C --auth-local trust --auth-host scram-sha-256 \
        --no-sync >/dev/null
    echo "host all all all scram-sha-256" >>/data/new/pg_hba.conf
    pg_ctl --pgdata /data/new --wait --silent --options "-k /data -c listen_addresses=" start >/dev/null
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --set engine_password="$ENGINE_PASSWORD" \
        --set attempt_password="$ATTEMPT_PASSWORD" --dbname postgres --file /roles.sql
    pg_ctl --pgdata /data/new --wait --silent --mode fast stop
    mv /data/new "$PGDATA"
fi

server=
stop() {
    [ -z "$server" ] || { kill -INT "$server" && wait "$server" || true; }
    exit 0
}
trap stop INT TERM

while :; do
    while [ -e /data/down ]; do sleep 0.1; done
    # What is written need not survive a crash of the machine; a crash of the server it survives anyway.
    postgres -k /data -c listen_addresses='*' -c max_connections=300 -c fsync=off -c full_page_writes=off &
    server=$!
    wait "$server" || sleep 0.1
done
