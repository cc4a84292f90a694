# Quazzar Mail Relay for several machines: docs/scaling.md. Built from Debian packages and wheels.
# BASE: any Debian from 12 on. Wheels in deploy/wheels/ are preferred to those of the index; with
# PIP_OPTIONS=--no-index, only they are used.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS build
ARG PIP_OPTIONS=""
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates python3 python3-venv
COPY requirements.txt /build/
COPY deploy/wheels/ /build/wheels/
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --prefer-binary --require-hashes \
    --find-links /build/wheels ${PIP_OPTIONS} -r /build/requirements.txt

FROM ${BASE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates media-types \
    python3 tini tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 quazzar \
 && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin quazzar \
 && install -d -o quazzar -g quazzar -m 0700 /data /keys
COPY --from=build /opt/venv /opt/venv
WORKDIR /opt/quazzar
COPY manage.py LICENSE ./
COPY bin bin/
COPY docs docs/
COPY static static/
COPY templates templates/
COPY quazzar quazzar/
COPY mailrelay mailrelay/
COPY mailboxes mailboxes/
COPY dnsrecords dnsrecords/
# The root file system is read-only at run time.
RUN python3 -m compileall -q /opt/quazzar
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/quazzar PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 QUAZZAR_DATA_DIR=/data
USER 10001:10001
EXPOSE 8000
# The supervisor restarts its part; tini forwards signals and reaps orphans.
ENTRYPOINT ["/usr/bin/tini", "--", "python", "-P", "manage.py"]
CMD ["up", "--host", "0.0.0.0"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
