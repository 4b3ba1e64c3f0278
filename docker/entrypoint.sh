#!/bin/sh
# Makes a throw-away cluster and becomes its postmaster (PID 1 of the container, so
# that the host sees the postmaster's PID as the container's). /procbench is a tmpfs;
# the arguments are postgres's own (-c name=value).
set -eu
# shellcheck disable=SC2046  # one flag per word, by intent
initdb $(cat /etc/procbench/initdb.args) -D /procbench/pgdata >/procbench/initdb.log 2>&1 || {
    cat /procbench/initdb.log >&2
    exit 1
}
cat /etc/procbench/postgresql.conf >>/procbench/pgdata/postgresql.conf
cat /etc/procbench/pg_hba.conf >/procbench/pgdata/pg_hba.conf
exec postgres -D /procbench/pgdata -c unix_socket_directories=/sockets "$@"
