# procbench itself, with PostgreSQL 15 and PgBouncer inside. compose.yaml builds it; by hand, from the repository's top:
#   docker build --network host -f docker/tool.Dockerfile -t procbench-tool:1 .
# Its two bases, debian:bookworm and debian:forky, come from a registry. Without one:
#   docker/base-image.sh bookworm; docker/base-image.sh forky     and then --build-arg BASE=procbench-base
ARG BASE=debian

# forky has the Rust that is needed (1.95). The program is linked statically: bookworm's C library is older.
FROM ${BASE}:forky AS build
ENV DEBIAN_FRONTEND=noninteractive
RUN set -eu; \
    apt-get -qq -o Acquire::Retries=5 update; \
    apt-get -qq -o Acquire::Retries=5 install -y --no-install-recommends ca-certificates cargo gcc git libc6-dev >/dev/null
# Where a proxy stands before crates.io: its authority, as NAME.crt beside this file. (Without one nothing is copied but
# this file, which no authority is made of.)
COPY docker/tool.Dockerfile docker/*.crt /usr/local/share/ca-certificates/
RUN update-ca-certificates
WORKDIR /procbench
COPY . .
# dev is quicker to build and not for measuring.
ARG PROFILE=release
RUN set -eu; \
    host=$(rustc -vV | sed -n 's/^host: //p'); \
    RUSTFLAGS='-C target-feature=+crt-static' \
        cargo install --path . --locked --root /out --target "$host" --profile "$PROFILE"

FROM ${BASE}:bookworm
COPY docker/install.sh /tmp/install.sh
RUN sh /tmp/install.sh postgresql-15 pgbouncer >/dev/null && rm -rf /var/lib/apt/lists/* /tmp/install.sh
COPY --from=build /out/bin/procbench /usr/local/bin/procbench
LABEL procbench.image=tool
# Results go below it: mount a directory at /work/results to keep them.
WORKDIR /work
ENTRYPOINT ["procbench"]
