FROM rust:1.95-slim-bookworm AS toolchain
# jemalloc is built with make.
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# No paths of this image in the binary, also not from C.
ENV RUSTFLAGS="--remap-path-prefix=/usr/local/cargo=cargo --remap-path-prefix=/build=." \
    CFLAGS="-ffile-prefix-map=/usr/local/cargo=cargo -ffile-prefix-map=/build=."

# The manifests, and an empty program for every target that they may name. This stage runs after every change,
# but its result changes only with a manifest, so the cache of the next stage stays valid.
FROM toolchain AS skeleton
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path './.cargo/*' \
        ! -regex '.*/\(main\|lib\|build\)\.rs' ! -regex '.*/\(tests\|benches\|examples\|src/bin\)/[^/]*\.rs' -delete \
    && find . -type d -empty -delete \
    && find . -name '*.rs' | while read -r target; do echo 'fn main() {}' > "$target"; done

FROM toolchain AS build
# The same command for both builds, because artifacts built with other flags cannot be reused.
ARG BUILD="cargo build --locked --release --bin byline"
COPY --from=skeleton /build .
# Remove the empty programs: they are newer than the sources, so cargo would consider them up to date.
RUN $BUILD && cargo clean --locked --release --workspace
COPY . .
# What `byline version` shows: the context of the build has no repository.
ARG BYLINE_COMMIT SOURCE_DATE_EPOCH
RUN $BUILD

FROM debian:bookworm-slim
ARG BYLINE_COMMIT
LABEL org.opencontainers.image.title="Byline" \
      org.opencontainers.image.description="A self-hosted blog and publishing API in one binary" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.revision="$BYLINE_COMMIT"
RUN install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=build /build/target/release/byline /usr/local/bin/
USER 10001:10001
ENV HOST=0.0.0.0 DATA_DIR=/data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=1m CMD ["byline", "healthcheck"]
ENTRYPOINT ["byline"]
CMD ["serve"]
