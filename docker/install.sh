#!/bin/sh
# Installs Debian packages, as root:
#   docker/install.sh PACKAGE...
# Run by .ci/run and by `procbench doctor --install`, which has it compiled in.
#
# Debian's postgresql and pgbouncer start a service and make a cluster at installation. Only their programs
# are wanted, so both are held back meanwhile: policy-rc.d answers 101 ("forbidden") and postgresql-common's
# createcluster.d says not to make one. An administrator's own policy is left as it is.
set -eu
export DEBIAN_FRONTEND=noninteractive
held=
free=
for package in "$@"; do
    case $package in
    postgresql* | pgbouncer*) held="$held $package" ;;
    *) free="$free $package" ;;
    esac
done
# shellcheck disable=SC2086  # one package per word, by intent
get() { apt-get install -y -q --no-install-recommends "$@"; }
apt-get update -q
# First what may start its service (docker.io).
# shellcheck disable=SC2086
if [ -n "$free" ]; then get $free; fi
if [ -n "$held" ]; then
    policy=/usr/sbin/policy-rc.d
    cluster=/etc/postgresql-common/createcluster.d/procbench.conf
    mine=
    trap 'rm -f "$cluster"; if [ -n "$mine" ]; then rm -f "$policy"; fi' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    echo "procbench: until they are installed, $policy and $cluster keep$held from starting; both are removed again"
    if [ ! -e "$policy" ]; then
        mine=1
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    mkdir -p "$(dirname "$cluster")"
    echo 'create_main_cluster = false' >"$cluster"
    # shellcheck disable=SC2086
    get $held
    case $held in
    *pgbouncer*) echo "procbench: its package starts PgBouncer at the next boot; to prevent that: systemctl disable pgbouncer" ;;
    esac
fi
