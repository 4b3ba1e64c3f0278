#!/bin/sh
# Page faults and time inside ProcArrayAdd, arm by arm, on a local PostgreSQL. Needs root, bpftrace and procbench.
#   docs/few-faults.sh [standing connections] [major version] [further options of procbench server]
# It runs in a mount namespace of its own: with tracefs, and with a copy of postgres in the place of the installed
# one, so that the probes see no other server.
set -eu
if [ -z "${FEW_FAULTS_INSIDE:-}" ]; then
    FEW_FAULTS_INSIDE=1 exec unshare --mount "$0" "$@"
fi
standing=${1:-2000} major=${2:-15}
[ $# -lt 2 ] && shift $# || shift 2
postgres=/usr/lib/postgresql/$major/bin/postgres
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cp "$postgres" "$out/postgres"
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null || true
mount --bind "$out/postgres" "$postgres"
# The standing connections and what sets up the server join first, and are skipped.
probes="BEGIN { printf(\"ready\\n\"); }
uprobe:$postgres:ProcArrayAdd { @joined++; if (@joined > $standing + 200) { @began[tid] = nsecs; @count[tid] = 0; } }
software:page-faults:1 /@began[tid]/ { @count[tid]++; }
uretprobe:$postgres:ProcArrayAdd /@began[tid]/ {
    @us = stats((nsecs - @began[tid]) / 1000); @faults = stats(@count[tid]);
    delete(@began[tid]); delete(@count[tid]);
}
END { clear(@began); clear(@count); clear(@joined); }"
for arm in unpooled premapped premapped-few; do
    bpftrace -e "$probes" >"$out/trace" 2>"$out/errors" &
    tracer=$!
    until grep -q ready "$out/trace" 2>/dev/null; do
        kill -0 "$tracer" 2>/dev/null || { cat "$out/errors" >&2; exit 1; }
        sleep 0.1
    done
    "${PROCBENCH:-procbench}" server --server local --pg "$major" --standing "$standing" --slot-order front \
        --page-size 4k --arms "$arm" --client-rate 100 --blocks 2 --starts 1 --duration 8s --out "$out/$arm" "$@" \
        >"$out/log" 2>&1 || { cat "$out/log" >&2; kill "$tracer"; exit 1; }
    kill -INT "$tracer"
    wait "$tracer" || true
    echo "$arm, $standing standing, PostgreSQL $major: ProcArrayAdd"
    grep -E '^@(faults|us):' "$out/trace"
done
umount "$postgres"
