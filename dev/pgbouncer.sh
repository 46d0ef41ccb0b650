# PgBouncer before the PostgreSQL of the tests; to be sourced after lib.sh, with RUN set: the release of Debian 12, which knows no
# prepared statements, and that of Debian 13, from a separate folder. Both give a connection to a transaction at a time.
# shellcheck shell=bash

PGBOUNCER_PORT=16432
NEW_PGBOUNCER_PORT=16433
PGBOUNCER_ROOT=$CACHE/pgbouncer/root

pgbouncer_build() {
    local new=$PGBOUNCER_ROOT.new
    install -d "$CACHE/pgbouncer"
    rm -rf --one-file-system "$new"
    debian trixie "$new" pgbouncer
    chroot "$new" pgbouncer --version
    rm -rf --one-file-system "$PGBOUNCER_ROOT"
    mv "$new" "$PGBOUNCER_ROOT"
}

pgbouncer_root() {
    [[ ! -x $PGBOUNCER_ROOT/usr/sbin/pgbouncer ]] || return 0
    step "PgBouncer from Debian 13, about a minute" pgbouncer_build
}

# pgbouncer_up NAME PORT COMMAND… : fewer connections than a server's pool has.
pgbouncer_up() {
    local name=$1 port=$2
    shift 2
    install -m 644 /dev/stdin "$RUN/pgbouncer/$name.ini" <<INI
[databases]
* = host=127.0.0.1 port=$POSTGRES_PORT
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
pool_mode = transaction
default_pool_size = 3
max_client_conn = 1000
auth_type = plain
auth_file = users
INI
    background "$name" "$@" "$name.ini"
    wait_for 60 "PgBouncer answers" "$PG/pg_isready" -h 127.0.0.1 -p "$port"
}

# Neither runs as root. The newer one runs in its root, with the settings of this run; the mount ends with the process.
pgbouncers_up() {
    local user
    user=$(id -u postgres):$(id -g postgres)
    install -d -m 755 "$RUN/pgbouncer"
    install -o postgres -m 600 /dev/stdin "$RUN/pgbouncer/users" <<<"\"test\" \"$PASSWORD\""
    pgbouncer_up pgbouncer $PGBOUNCER_PORT bash -c 'cd "$1" && shift && exec chroot "$@"' pgbouncer "$RUN/pgbouncer" \
        --skip-chdir --userspec="$user" / pgbouncer
    pgbouncer_up new-pgbouncer $NEW_PGBOUNCER_PORT unshare --mount --propagation private bash -c '
        set -e
        mount --bind "$1" "$2/mnt"
        exec chroot --userspec="$3" "$2" sh -c "cd /mnt && exec pgbouncer \"\$1\"" sh "$4"' pgbouncer "$RUN/pgbouncer" \
        "$PGBOUNCER_ROOT" "$user"
}
