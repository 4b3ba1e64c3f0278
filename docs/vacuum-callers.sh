#!/usr/bin/env bash
# Who takes ProcArrayLock shared in VACUUM of an empty table, by call stack: 200 batches of ten, each after somebody
# else has consumed an xid (default), or not (`none`). Needs root, bpftrace, python3 and PostgreSQL's binaries. The
# cluster is thrown away.
#
#     docs/vacuum-callers.sh [none] [BINDIR]
set -euo pipefail
between=1
[ "${1:-}" != none ] || { between=0; shift; }
bin=${1:-/usr/lib/postgresql/15/bin}
dir=$(mktemp -d)
trap 'runuser -u postgres -- "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT
chown postgres "$dir"
runuser -u postgres -- "$bin/initdb" -A trust -D "$dir/data" >/dev/null
runuser -u postgres -- "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -o \
    "-c listen_addresses= -c unix_socket_directories=$dir -c port=5433 -c autovacuum=off" start >/dev/null
sql="$bin/psql -X -q -h $dir -p 5433 -U postgres postgres"
$sql -c 'CREATE TABLE t (n int)' -c 'CREATE TABLE u (n int)' -c 'VACUUM t'
for _ in $(seq 200); do
    [ $between = 0 ] || echo "\\! $sql -c 'INSERT INTO u VALUES (1)'"
    for _ in $(seq 10); do echo 'VACUUM t;'; done
done >"$dir/batches.sql"
# Long enough for bpftrace to attach to its backend.
$sql -c 'SELECT pg_sleep(8)' -f "$dir/batches.sql" >/dev/null &
sleep 1
pid=$($sql -At -c "SELECT pid FROM pg_stat_activity WHERE query LIKE '%sleep(8)' AND pid <> pg_backend_pid()")
base=$(grep -m1 bin/postgres "/proc/$pid/maps" | cut -d- -f1)
cat >"$dir/callers.bt" <<BT
usdt:$bin/postgres:postgresql:lwlock__acquire /str(arg0) == "ProcArray" && arg1 == 1/ { @[ustack(perf, 7)] = count(); }
BT
unshare -m sh -c "mount -t tracefs none /sys/kernel/tracing 2>/dev/null; exec bpftrace -p $pid $dir/callers.bt" \
    >"$dir/stacks" 2>"$dir/said" || { cat "$dir/said" >&2; exit 1; }
wait
nm -D --defined-only "$bin/postgres" | awk '$2 == "T" {print $1, $3}' | sort >"$dir/symbols"
# Functions that are not exported show as the exported one before them.
python3 - "$dir/stacks" "$dir/symbols" "$base" <<'PY'
import bisect, re, sys
symbols = [(int(a, 16), name) for a, name in (line.split() for line in open(sys.argv[2]))]
starts = [a for a, _ in symbols]
for stack, count in re.findall(r"@\[(.*?)\]: (\d+)", open(sys.argv[1]).read(), re.S):
    at = (int(x, 16) - int(sys.argv[3], 16) for x in re.findall(r"^\s+([0-9a-f]{8,16}) ", stack, re.M))
    print(count, " < ".join(symbols[bisect.bisect(starts, a) - 1][1] for a in at))
PY
