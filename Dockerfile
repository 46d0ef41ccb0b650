# Two images out of one file: `docker build --target server .` and `--target operator`.
# Where the programs are built already, give their folder instead of the first stage: `--build-context build=FOLDER`.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
# Static, since the images hold nothing else.
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN cargo build --release --locked --target x86_64-unknown-linux-gnu -p sc-auth-server -p sc-auth-operator \
    && mkdir /out && cp target/x86_64-unknown-linux-gnu/release/sc-auth-server \
        target/x86_64-unknown-linux-gnu/release/sc-auth-operator /out/
WORKDIR /out

FROM scratch AS server
COPY --from=build /out/sc-auth-server /sc-auth-server
# By number: there is no /etc/passwd, and Kubernetes must see that it is not root.
USER 65532:65532
EXPOSE 8000 8001
ENTRYPOINT ["/sc-auth-server"]
CMD ["serve"]

FROM scratch AS operator
COPY --from=build /out/sc-auth-operator /sc-auth-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/sc-auth-operator"]
CMD ["run"]
