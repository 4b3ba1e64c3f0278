# One PgBouncer for all servers, as Debian bookworm ships it. Build:
#   docker build --network host -f docker/pgbouncer.Dockerfile -t procbench-pgbouncer:1 docker
ARG SUITE=bookworm
FROM procbench-base:${SUITE}
ENV DEBIAN_FRONTEND=noninteractive
RUN set -eu; \
    apt-get -qq -o Acquire::Retries=5 update; \
    apt-get -qq -o Acquire::Retries=5 install -y --no-install-recommends pgbouncer >/dev/null; \
    rm -rf /var/lib/apt/lists/*; \
    install -d -m 1777 /sockets /pooler
COPY pgbouncer.ini userlist.txt /etc/procbench/
USER nobody
STOPSIGNAL SIGINT
ENTRYPOINT ["pgbouncer"]
CMD ["/etc/procbench/pgbouncer.ini"]
