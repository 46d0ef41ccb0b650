# MySQL for the tests; to be sourced after lib.sh, with RUN set. Debian 12 has only MariaDB, so MySQL comes from Debian's
# unstable release (sid) and runs in a separate folder.
# shellcheck shell=bash

MYSQL_PORT=13307
MYSQL_ROOT=$CACHE/mysql/root
# The user id inside that folder; no user of this machine has it.
MYSQL_UID=23306
# Rebuild an older root, so that the tests run on new versions of MySQL.
MYSQL_MAX_AGE_DAYS=30

mysql_build() {
    local new=$MYSQL_ROOT.new
    install -d "$CACHE/mysql"
    rm -rf --one-file-system "$new"
    debian sid "$new" mysql-server-core
    echo "mysql:x:$MYSQL_UID:$MYSQL_UID::/nonexistent:/usr/sbin/nologin" >>"$new/etc/passwd"
    echo "mysql:x:$MYSQL_UID:" >>"$new/etc/group"
    install -d "$new/var/lib/mysql"
    chroot "$new" mysqld --version
    rm -rf --one-file-system "$MYSQL_ROOT"
    mv "$new" "$MYSQL_ROOT"
    touch "$MYSQL_ROOT"
}

# Builds the root if it is missing or old. If the build fails, an old root is used.
mysql_root() {
    [[ ! -x $MYSQL_ROOT/usr/sbin/mysqld ]] || [[ -n $(find "$MYSQL_ROOT" -maxdepth 0 -mtime +$MYSQL_MAX_AGE_DAYS) ]] || return 0
    # Not in a condition, where bash ignores errors.
    local code
    set +e
    (step "MySQL from Debian sid, about two minutes" mysql_build)
    code=$?
    set -e
    ((code != 0)) || return 0
    [[ -x $MYSQL_ROOT/usr/sbin/mysqld ]] ||
        fail "MySQL cannot be installed from Debian sid, and $MYSQL_ROOT has none from before. Debian sid is broken at times: try again tomorrow, or check that apt reaches $(debian_mirror)"
    say "  Debian sid cannot be installed now: the MySQL of $(date -r "$MYSQL_ROOT" +%F) in $MYSQL_ROOT is used"
}

# Prints the version, such as 9.7.4.
mysql_version() { chroot "$MYSQL_ROOT" mysqld --version | sed 's/.* Ver \([0-9.]*\).*/\1/'; }

# Runs a command in the root, as the user mysql, with the data of this run; the mount ends with the process.
mysqld_in_root() {
    MYSQLD=(unshare --mount --propagation private bash -c '
        set -e
        mount --bind "$1" "$2/var/lib/mysql"
        root=$2
        shift 2
        exec chroot --userspec=mysql:mysql "$root" mysqld "$@"' mysqld "$RUN/mysql" "$MYSQL_ROOT"
        --no-defaults --datadir=/var/lib/mysql/data --secure-file-priv=NULL "$@")
}

mysql_up() {
    local MYSQLD
    install -d -m 755 -o $MYSQL_UID -g $MYSQL_UID "$RUN/mysql"
    cat >"$RUN/mysql/init.sql" <<SQL
CREATE USER test@'%' IDENTIFIED WITH caching_sha2_password BY '$PASSWORD';
GRANT ALL ON *.* TO test@'%' WITH GRANT OPTION;
SQL
    mysqld_in_root --initialize-insecure --init-file=/var/lib/mysql/init.sql
    "${MYSQLD[@]}"
    # MySQL has generated its own certificates, as it always does. Let everybody read their authority.
    install -m 644 "$RUN/mysql/data/ca.pem" "$RUN/tls/mysql-ca.crt"
    mysqld_in_root --mysqlx=OFF --socket=/var/lib/mysql/socket --pid-file=/var/lib/mysql/pid \
        --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --skip-log-bin --performance-schema=OFF \
        --bind-address=0.0.0.0 --port="$MYSQL_PORT" --max-connections=400
    background mysql "${MYSQLD[@]}"
    wait_for 180 "MySQL answers" mariadb-admin --no-defaults --host=127.0.0.1 --port="$MYSQL_PORT" --user=test \
        --password="$PASSWORD" --ssl ping
}
