# The program and nothing else. Build it first:
#
#   make image-binary
#   docker build --tag ghcr.io/fluxbot/fluxbot:v0.1.0 .
#
# Registries and Git servers are verified against the roots that the program brings; SSL_CERT_FILE or SSL_CERT_DIR names
# others, for example from a mounted ConfigMap.
FROM scratch
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="fluxbot" \
      org.opencontainers.image.description="Keeps Kubernetes clusters on the newest images that their teams allow, through Git" \
      org.opencontainers.image.source="https://github.com/fluxbot/fluxbot" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Where the kernel gives huge pages to everybody, each small allocation would hold two megabytes.
ENV MIMALLOC_ALLOW_THP=0
COPY --chmod=0755 dist/fluxbot /fluxbot
COPY LICENSE /LICENSE
# A number, so that the kubelet can see that it is not root.
USER 65532:65532
ENTRYPOINT ["/fluxbot"]
