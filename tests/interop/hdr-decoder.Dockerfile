# HdrHistogram_c's own decoder, which Debian has since forky: a reader of the interval log for tests/hlog_interop.rs.
#   docker build --network host -f tests/interop/hdr-decoder.Dockerfile -t procbench-hdr-decoder:1 tests/interop
FROM procbench-base:forky
RUN set -eu; \
    apt-get -qq -o Acquire::Retries=5 update; \
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends libhdr-histogram-examples >/dev/null; \
    rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["hdr_decoder"]
