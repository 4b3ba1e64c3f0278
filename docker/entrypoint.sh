#!/bin/sh
# Makes a throw-away cluster and becomes its postmaster (PID 1 of the container, so
# that the host sees the postmaster's PID as the container's). /procbench is a tmpfs;
# the arguments are postgres's own (-c name=value). Runs in any image that has the
# server's programs on its PATH; procbench mounts its own copies of these files.
set -eu
if ! command -v initdb >/dev/null || ! command -v postgres >/dev/null; then
    echo "procbench: this image has no initdb and postgres on its PATH" >&2
    exit 1
fi
# shellcheck disable=SC2046  # one flag per word, by intent
set_up() { initdb $(cat /etc/procbench/initdb.args) "$@" -D /procbench/pgdata >/procbench/initdb.log 2>&1; }
# Checksums are the default since 18: off in every version.
case $(initdb --help) in *--no-data-checksums*) checksums=--no-data-checksums ;; *) checksums= ;; esac
set_up $checksums || {
    cat /procbench/initdb.log >&2
    exit 1
}
cat /etc/procbench/postgresql.conf >>/procbench/pgdata/postgresql.conf
cat /etc/procbench/pg_hba.conf >/procbench/pgdata/pg_hba.conf
if [ -e /etc/procbench/server.key ]; then
    (umask 077 && cp /etc/procbench/server.crt /etc/procbench/server.key /procbench/pgdata/)
fi
exec postgres -D /procbench/pgdata -c unix_socket_directories=/sockets "$@"
