# PostgreSQL with Patroni, which decides who is primary, and etcd, where it keeps that. Build:
#   docker build --network host --build-arg PG_MAJOR=17 -f docker/patroni.Dockerfile -t procbench-patroni:1 docker
ARG PG_MAJOR=17
FROM procbench-postgres:${PG_MAJOR}
USER root
RUN set -eu; \
    apt-get -qq -o Acquire::Retries=5 update; \
    apt-get -qq -o Acquire::Retries=5 install -y --no-install-recommends \
        patroni etcd-server python3-etcd python3-psycopg2 >/dev/null; \
    rm -rf /var/lib/apt/lists/*
USER postgres
STOPSIGNAL SIGTERM
ENTRYPOINT ["patroni"]
