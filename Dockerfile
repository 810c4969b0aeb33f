# Two images from one file: `docker build --target gateway .` and `--target collector .`.
# Both run as a user without rights and work on a read-only root file system; mount the configuration
# read-only and a volume for state at /var/lib/compliance.
ARG PYTHON=python:3.13-slim-bookworm
ARG GO=golang:1.26-bookworm

FROM ${GO} AS opa
RUN CGO_ENABLED=0 GOBIN=/out go install -ldflags "-s -w" github.com/open-policy-agent/opa@v1.22.2

FROM ${PYTHON} AS build
WORKDIR /app
COPY requirements/runtime.txt requirements/runtime.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md ./
COPY deploy/link.py deploy/link.py
COPY gateway gateway
COPY collector collector
RUN /venv/bin/python deploy/link.py && /venv/bin/python -m compileall -q gateway collector

FROM ${PYTHON} AS base
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TMPDIR=/var/lib/compliance
RUN useradd --system --uid 10001 --home-dir /var/lib/compliance --create-home compliance
COPY --from=build /venv /venv
COPY --from=build /app /app
USER 10001
WORKDIR /var/lib/compliance
VOLUME /var/lib/compliance

FROM base AS gateway
COPY --from=opa /out/opa /usr/local/bin/opa
COPY policies /app/policies
EXPOSE 8443
ENTRYPOINT ["gateway"]
CMD ["serve", "--config", "/etc/compliance/gateway.yaml"]

FROM base AS collector
ENTRYPOINT ["collector"]
CMD ["run", "--config", "/etc/compliance/collector.yaml"]
