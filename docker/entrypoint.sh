#!/bin/sh
# Makes a throw-away cluster of the files beside it and becomes its postmaster (PID 1 of a
# container, so that the host sees the postmaster's PID as the container's). The arguments
# are postgres's own (-c name=value). Runs wherever the server's programs are on PATH: in any
# image, over whose own copies of these files procbench mounts its own (/procbench is a tmpfs
# there), and on the host, for a local cluster.
set -eu
files=${0%/*}
data=${PROCBENCH_DATA:-/procbench/pgdata}
sockets=${PROCBENCH_SOCKETS:-/sockets}
if ! command -v initdb >/dev/null || ! command -v postgres >/dev/null; then
    echo "procbench: no initdb and postgres on PATH" >&2
    exit 1
fi
make_cluster() {
    if [ -n "${PROCBENCH_PRIMARY:-}" ]; then
        # A standby: a copy of the primary that this connection string leads to, settings included.
        pg_basebackup -d "$PROCBENCH_PRIMARY" -D "$data" -R -X stream --checkpoint=fast --no-sync
        return
    fi
    # Checksums are the default since 18: off in every version, unless they are asked for.
    case $(initdb --help) in *--no-data-checksums*) checksums=--no-data-checksums ;; *) checksums= ;; esac
    # shellcheck disable=SC2046,SC2086  # one flag per word, by intent
    initdb $(cat "$files/initdb.args") ${PROCBENCH_CHECKSUMS:-$checksums} -D "$data"
}
if [ -e "$files/before" ]; then
    # Started again: the cluster is there, and this is done to its files first.
    . "$files/before"
else
    said=$(make_cluster 2>&1) || {
        echo "$said" >&2
        exit 1
    }
    if [ -z "${PROCBENCH_PRIMARY:-}" ]; then
        cat "$files/postgresql.conf" >>"$data/postgresql.conf"
        cat "$files/pg_hba.conf" >"$data/pg_hba.conf"
    fi
fi
if [ -e "$files/server.key" ]; then
    (umask 077 && cp "$files/server.crt" "$files/server.key" "$data/")
fi
if [ -n "${PROCBENCH_PREMAP:-}" ]; then
    # For the postmaster alone: its forked children map the PGPROC array when told to (premap.c).
    export LD_PRELOAD="$files/premap.so"
fi
if [ -n "${PROCBENCH_SYNC_DELAY:-}" ]; then
    # For the postmaster alone: its fdatasync takes longer when told to (sync_delay.c).
    export LD_PRELOAD="$files/sync_delay.so"
fi
exec postgres -D "$data" -c unix_socket_directories="$sockets" "$@"
