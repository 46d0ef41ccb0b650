//! The error numbers of MySQL, MariaDB, Galera and ProxySQL.

use sc_auth_contract::status::TroubleReason as Reason;

use super::verdict::Verdict::{self, LostStatement, Retry, Trouble, Unstorable};

pub fn verdict(number: u16, message: &str) -> Option<Verdict> {
    Some(match number {
        // A lock's timeout, a deadlock, the same in XA, a changed definition, and a conflict that Group Replication, or
        // MariaDB with snapshot isolation, finds.
        1205 | 1213 | 1613 | 1614 | 1412 | 1020 | 3101 => Retry,
        // A proxy has moved the session to another server, or the server wants to prepare again.
        1243 | 1615 => LostStatement,
        // --read-only, a read-only transaction, a read-only table, FLUSH TABLES WITH READ LOCK, --innodb-read-only, and
        // a read-only schema.
        1290 | 1792 | 1836 | 1036 | 1223 | 1874 | 3989 => Trouble(Reason::ReadOnly),
        // The disk, the table, the table space.
        1021 | 1114 => Trouble(Reason::DiskFull),
        // "Got error 28 from storage engine", and others that name the system's error.
        1030 if message.contains("error 28") => Trouble(Reason::DiskFull),
        // "Can't create table (errno: 150 "Foreign key constraint is incorrectly formed")" is a bug.
        1005 | 1025 if message.contains("errno: 150") => return None,
        // Files that cannot be created, opened, read, written, locked or renamed.
        1003..=1006 | 1009..=1019 | 1023..=1030 | 1085 | 1180 | 1810 | 1811 => Trouble(Reason::DiskError),
        // Crashed or damaged tables and indexes; lost table spaces.
        1033..=1035 | 1194 | 1195 | 1712 | 1812 | 1814 | 1817 | 1877 | 1932 => Trouble(Reason::Corrupt),
        // Of the server, of the user, of an account's quota, threads; a host that is blocked after errors.
        1040 | 1203 | 1226 | 1129 | 1135 => {
            Trouble(if is_quota(message) { Reason::LimitReached } else { Reason::TooManyConnections })
        }
        // Prepared statements, transactions, memory, locks.
        1461 | 1637 | 1037 | 1038 | 1041 | 1206 => Trouble(Reason::LimitReached),
        // User, host, database, table, column, privilege; an expired password; a locked account; a missing database.
        1044 | 1045 | 1049 | 1130 | 1142 | 1143 | 1227 | 1370 | 1396 | 1698 | 1820 | 1862 | 3118 | 4151 => {
            Trouble(Reason::AccessDenied)
        }
        // Shutdown, aborted connections, interrupted and slow statements, Galera that is not ready, offline mode, killed
        // and idle sessions, Group Replication; a proxy's own errors, and those of its client library.
        1047
        | 1053
        | 1077..=1080
        | 1152
        | 1156..=1161
        | 1184
        | 1317
        | 1927
        | 1969
        | 3024
        | 3032
        | 3098
        | 3100
        | 3168
        | 3169
        | 4031
        | 2000..=2070
        | 9000..=9999 => Trouble(Reason::Unreachable),
        1300 | 3988 => Unstorable,
        1366 if message.starts_with("Incorrect string value") => Unstorable,
        _ => return None,
    })
}

/// Whether the account has used up what it may do in an hour. Fewer connections do not help.
fn is_quota(message: &str) -> bool {
    ["max_queries_per_hour", "max_questions", "max_updates", "max_statement_time"]
        .iter()
        .any(|resource| message.contains(resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_of_1226_is_about_connections_or_about_a_quota() {
        let exceeded = |resource: &str| format!("User 'u' has exceeded the '{resource}' resource (current value: 1)");
        for resource in ["max_user_connections", "max_connections_per_hour"] {
            assert_eq!(verdict(1226, &exceeded(resource)), Some(Trouble(Reason::TooManyConnections)), "{resource}");
        }
        for resource in ["max_questions", "max_queries_per_hour", "max_updates", "max_updates_per_hour"] {
            assert_eq!(verdict(1226, &exceeded(resource)), Some(Trouble(Reason::LimitReached)), "{resource}");
        }
    }

    #[test]
    fn each_number_has_its_reason() {
        for (numbers, expected) in [
            (&[1290, 1792, 1836][..], Reason::ReadOnly),
            (&[1021, 1114], Reason::DiskFull),
            (&[1030, 1026, 1810, 1180], Reason::DiskError),
            (&[1194, 1712], Reason::Corrupt),
            (&[1040, 1203, 1129], Reason::TooManyConnections),
            (&[1044, 1045, 1142, 1227], Reason::AccessDenied),
            (&[1053, 1317, 1927, 2006, 2013, 3169, 9001], Reason::Unreachable),
        ] {
            for number in numbers {
                assert_eq!(verdict(*number, ""), Some(Trouble(expected)), "{number}");
            }
        }
        // A duplicate key, a syntax error, an unknown column and a value that is too long are bugs.
        for number in [1022, 1105, 1062, 1064, 1054, 1406] {
            assert_eq!(verdict(number, ""), None, "{number}");
        }
        let errno = |number: u16| format!("Can't create table `n`.`t` (errno: {number} \"why\")");
        for code in [1005, 1025] {
            assert_eq!(verdict(code, &errno(150)), None, "{code}");
            assert_eq!(verdict(code, &errno(13)), Some(Trouble(Reason::DiskError)), "{code}");
        }
    }
}
