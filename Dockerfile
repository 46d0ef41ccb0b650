# Two images out of one file: `docker build --target server .` and `--target operator`.
FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
# Static, since the images hold nothing else. The target is this machine's own, and named all the same: without --target the
# flag would reach procedural macros too, which cannot be static.
RUN host=$(rustc -vV | sed -n 's/^host: //p') \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$host" \
        -p sc-auth-server -p sc-auth-operator \
    && mkdir -p /out/files && mkdir -m 775 /out/files/data && cp "target/$host/release/sc-auth-server" "target/$host/release/sc-auth-operator" /out/

FROM scratch AS server
# The commit that it was built from, and where that is: --build-arg REVISION="$(git rev-parse HEAD)" --build-arg SOURCE=…
ARG VERSION=0.2.0
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.title="sc-auth-server" \
    org.opencontainers.image.description="An auth API: accounts, login, sessions, roles and tokens over HTTP" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.source="$SOURCE"
COPY --from=build /out/sc-auth-server /sc-auth-server
# The folder data, for the database and the keys, outside of Kubernetes: a new volume gets the owner of this folder. Group 0 can write
# there, because a user that a platform chooses, as OpenShift does, is in that group. It is copied with its parent, since a
# folder that COPY creates itself has another mode.
COPY --from=build --chown=65532:0 /out/files/ /
WORKDIR /data
# By number: there is no /etc/passwd, and Kubernetes must see that it is not root.
USER 65532:65532
EXPOSE 8000 8001
ENTRYPOINT ["/sc-auth-server"]
CMD ["serve"]

FROM scratch AS operator
ARG VERSION=0.2.0
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.title="sc-auth-operator" \
    org.opencontainers.image.description="Keeps an auth API in Kubernetes for each ScAuth object" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    org.opencontainers.image.source="$SOURCE"
COPY --from=build /out/sc-auth-operator /sc-auth-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/sc-auth-operator"]
CMD ["run"]
