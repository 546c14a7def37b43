# The image of yunxiao-token-exporter. `make image` builds it with docker, podman or buildah.
#
# Build arguments, for networks without the Internet:
#   REGISTRY         mirror of Docker Hub, such as registry.example.com/docker.io
#   PYTHON_IMAGE     a Debian-based image with Python 3.11 or later
#   PIP_INDEX_URL, PIP_TRUSTED_HOST    mirror of PyPI
# Build arguments that become labels: VERSION, REVISION, CREATED, SOURCE

ARG REGISTRY=docker.io
# Python 3.13.16 on Debian 13, for all architectures.
ARG PYTHON_IMAGE=${REGISTRY}/library/python:3.13-slim@sha256:70729b46c69b4f1e97c4822c1af3df53a1476cf5ddc6c087c0c10bc3a5678c2f

FROM ${PYTHON_IMAGE} AS build
ARG PIP_INDEX_URL
ARG PIP_TRUSTED_HOST
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
# Wheels are built with pinned tools, since some dependencies publish only their source.
COPY requirements-build.lock requirements.lock ./
RUN python3 -m venv tools \
    && tools/bin/python -m pip install --require-hashes -r requirements-build.lock \
    && tools/bin/python -m pip wheel --no-build-isolation --require-hashes -r requirements.lock --wheel-dir wheels \
    && python3 -m venv --without-pip /opt/exporter \
    && tools/bin/python -m pip --python /opt/exporter/bin/python install --no-compile --no-deps wheels/*.whl
COPY pyproject.toml README.md LICENSE ./
COPY exporter ./exporter
# The documents that the exporter serves itself.
COPY docs/platform.md ./docs/platform.md
COPY docs/zh/platform.md ./docs/zh/platform.md
COPY docs/runbooks ./docs/runbooks
COPY scripts/image_root.py ./
# /root-fs becomes the image: interpreter and libraries, without shell, package manager and pip.
RUN tools/bin/python -m pip wheel --no-build-isolation --no-deps --wheel-dir wheels . \
    && tools/bin/python -m pip --python /opt/exporter/bin/python install --no-compile --no-deps --no-index \
        --find-links wheels yunxiao-token-exporter \
    && find /opt/exporter/bin -type f ! -name yunxiao-token-exporter -delete \
    && find /opt/exporter -type d -name tests -prune -exec rm -r {} + \
    && python3 image_root.py /opt/exporter /root-fs \
    && mkdir -p /root-fs/etc/yunxiao-token-exporter /root-fs/var/lib /root-fs/dev /root-fs/proc /root-fs/sys \
    && mkdir -m 1777 /root-fs/tmp \
    && install -d -m 0770 /state/yunxiao-token-exporter

FROM scratch
COPY --from=build /root-fs/ /
COPY --from=build /opt/exporter /opt/exporter
# For `storage.path`. Writable by group 0, with which OpenShift runs containers under any user id.
COPY --from=build --chown=65534:0 /state/ /var/lib/
ENV PATH=/opt/exporter/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /etc/yunxiao-token-exporter
USER 65534:65534
EXPOSE 10097
STOPSIGNAL SIGTERM
# It finds out from the flags of the main process where and how that listens.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/opt/exporter/bin/python", "-P", "-m", "exporter.web.healthcheck"]
# Exec form: the exporter is PID 1 and gets SIGTERM itself.
ENTRYPOINT ["/opt/exporter/bin/yunxiao-token-exporter"]
CMD ["serve", "--config.file", "/etc/yunxiao-token-exporter/config.yaml"]
ARG VERSION
ARG REVISION
ARG CREATED
ARG SOURCE=https://github.com/yunxiao-token-exporter/yunxiao-token-exporter
LABEL org.opencontainers.image.title="yunxiao-token-exporter" \
      org.opencontainers.image.description="Prometheus exporter for Yunxiao / Lingma personal access tokens" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.url="${SOURCE}" \
      org.opencontainers.image.documentation="${SOURCE}/blob/main/README.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
