FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/exporter
COPY requirements.lock ./
RUN /opt/exporter/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY exporter ./exporter
# The documents that the exporter serves itself.
COPY docs/platform.md ./exporter/docs/platform.md
COPY docs/zh/platform.md ./exporter/docs/zh/platform.md
COPY docs/runbooks ./exporter/docs/runbooks
# Compiled now, for the file system may be read-only later.
RUN cp -r exporter "$(/opt/exporter/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/" \
    && /opt/exporter/bin/python -m compileall -q /opt/exporter/lib

FROM python:3.13-slim
LABEL org.opencontainers.image.title="yunxiao-token-exporter" \
      org.opencontainers.image.description="Prometheus exporter for Yunxiao / Lingma personal access tokens" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/exporter /opt/exporter
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /etc/yunxiao-token-exporter
USER 65534:65534
EXPOSE 10097
# Exec form: the exporter is PID 1 and gets SIGTERM itself.
ENTRYPOINT ["/opt/exporter/bin/python", "-m", "exporter"]
CMD ["serve", "--config.file", "/etc/yunxiao-token-exporter/config.yaml"]
