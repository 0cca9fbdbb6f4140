# One image for every role of Cairn. The process runs as a user without rights, on a root file system
# that may be read-only, and writes only below /data.
#
#     docker build -t cairn .
#     docker run -p 8080:8080 -v cairn-data:/data --read-only cairn
#
# The configuration is /etc/cairn/cairn.yaml: mount your own file there.

# An image with the program /deno, and the base of the result: glibc 2.28 or later.
ARG DENO_IMAGE=docker.io/denoland/deno:bin-2.9.6
ARG BASE_IMAGE=docker.io/library/debian:trixie-slim

FROM ${DENO_IMAGE} AS deno

FROM ${BASE_IMAGE} AS application
COPY --from=deno /deno /usr/local/bin/deno
WORKDIR /app
# The certificates of the system: a base image may add those of a proxy.
ENV DENO_DIR=/tmp/deno DENO_NO_UPDATE_CHECK=1 DENO_TLS_CA_STORE=system
COPY deno.json deno.lock ./
# ONNX Runtime's package holds the libraries of all platforms (283 MB). The image keeps those of its
# own platform; the layer is small because they are deleted in the command that installs them.
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends ca-certificates \
 && deno install --frozen \
 && cd node_modules/.deno/onnxruntime-node@*/node_modules/onnxruntime-node/bin/napi-v6 \
 && arch=$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/') \
 && find . -mindepth 1 -maxdepth 1 ! -name linux -exec rm -r {} + \
 && find linux -mindepth 1 -maxdepth 1 ! -name "$arch" -exec rm -r {} + \
 && rm -rf /tmp/deno
COPY . .

FROM ${BASE_IMAGE}
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends ca-certificates libstdc++6 libgcc-s1 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log
COPY --from=deno /deno /usr/local/bin/deno
COPY --from=application /app /app
COPY deploy/image/cairn.yaml /etc/cairn/cairn.yaml
COPY deploy/image/cairn /usr/local/bin/cairn
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin cairn \
 && install -d -o cairn -g cairn /data
ENV DENO_DIR=/tmp/deno DENO_NO_UPDATE_CHECK=1 DENO_NO_PROMPT=1 NO_COLOR=1
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
# Live, not ready: a server that restores a large snapshot is live, and must not be restarted.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["cairn", "health", "--live"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["cairn"]
CMD ["serve", "--config", "/etc/cairn/cairn.yaml"]
