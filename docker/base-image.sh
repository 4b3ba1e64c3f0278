#!/bin/sh
# Makes the image procbench-base:SUITE, a minimal Debian, without needing a registry.
#   docker/base-image.sh SUITE        (bullseye, bookworm, trixie, forky, sid)
# Order: a debian:SUITE image already here; mmdebstrap (Debian packages); a registry.
# PROCBENCH_MIRROR names another Debian mirror. A suite that has left it is taken from
# archive.debian.org. Signatures are always checked; that the list of packages is a recent
# one only at first: a mirror that lags, and the archive, cannot satisfy that.
set -eu

suite=${1:?"usage: base-image.sh SUITE"}
mirror=${PROCBENCH_MIRROR:-http://deb.debian.org/debian}
archive=http://archive.debian.org/debian
tag=procbench-base:$suite

from_packages() {
    command -v mmdebstrap >/dev/null 2>&1 || return 1
    tar=$(mktemp "${TMPDIR:-/tmp}/procbench-base.XXXXXX")
    said=$(mktemp "${TMPDIR:-/tmp}/procbench-base.XXXXXX")
    trap 'rm -f "$tar" "$said"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    made=no
    for from in "$mirror" "lenient $mirror" "lenient $archive"; do
        url=${from#lenient }
        case $from in lenient*) set -- --aptopt='Acquire::Check-Valid-Until "false"' ;; *) set -- ;; esac
        echo "base: making $tag from the Debian packages at $from with mmdebstrap (about a minute)"
        # To a file first: in a pipe, docker import would accept half a tarball.
        if mmdebstrap --variant=minbase --format=tar --aptopt='Acquire::Retries "5"' "$@" "$suite" "$tar" "$url" 2>"$said"; then
            made=yes
            break
        fi
        why=$(grep '^E: ' "$said" | head -n 1 || true)
        echo "base: not from $from: ${why#E: }"
    done
    [ "$made" = yes ] || return 1
    docker import --change "LABEL procbench.image=base procbench.suite=$suite" "$tar" "$tag" >/dev/null
}

if docker image inspect "debian:$suite" >/dev/null 2>&1; then
    echo "base: debian:$suite is here, using it as $tag"
    docker tag "debian:$suite" "$tag"
elif from_packages; then
    :
elif docker pull "debian:$suite"; then
    docker tag "debian:$suite" "$tag"
else
    echo "base: suite $suite could be had neither from $mirror nor $archive (as root, with mmdebstrap: apt-get install mmdebstrap; PROCBENCH_MIRROR names another mirror) nor from a registry; is it still published?" >&2
    exit 1
fi
echo "base: $tag ready"
