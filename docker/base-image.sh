#!/bin/sh
# Makes the image procbench-base:SUITE, a minimal Debian, without needing a registry.
#   docker/base-image.sh SUITE        (bullseye, bookworm, trixie, forky, sid)
# Order: a debian:SUITE image already here; mmdebstrap (Debian packages); a registry.
# PROCBENCH_MIRROR names another Debian mirror.
set -eu

suite=${1:?"usage: base-image.sh SUITE"}
mirror=${PROCBENCH_MIRROR:-http://deb.debian.org/debian}
tag=procbench-base:$suite

from_packages() {
    command -v mmdebstrap >/dev/null 2>&1 || return 1
    echo "base: making $tag from Debian packages with mmdebstrap (about a minute)"
    tar=$(mktemp "${TMPDIR:-/tmp}/procbench-base.XXXXXX")
    trap 'rm -f "$tar"' EXIT INT TERM
    # Written to a file first: in a pipe, docker import would accept half a tarball.
    mmdebstrap --quiet --variant=minbase --format=tar "$suite" "$tar" "$mirror" || return 1
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
    echo "base: suite $suite could be had neither from $mirror (as root, with mmdebstrap: apt-get install mmdebstrap; PROCBENCH_MIRROR names another mirror) nor from a registry; is it still published?" >&2
    exit 1
fi
echo "base: $tag ready"
