//! The SQLSTATE codes of PostgreSQL, and of poolers in front of it.

use sc_auth_contract::status::TroubleReason as Reason;

use super::verdict::Verdict::{self, LostStatement, Retry, Trouble, Unstorable};

pub fn verdict(code: &str, message: &str) -> Option<Verdict> {
    // PgBouncer has one code for most of its own errors.
    if ["no more connections allowed", "max_client_conn", "too many connections", "MaxClientsInSessionMode"]
        .iter()
        .any(|text| message.contains(text))
    {
        return Some(Trouble(Reason::TooManyConnections));
    }
    Some(match code {
        // Serialization failure, deadlock, lock_timeout, a snapshot that is too old.
        "40001" | "40P01" | "55P03" | "72000" => Retry,
        // A pooler has moved the session to another server, or a migration has changed a table.
        "26000" | "42P05" => LostStatement,
        "0A000" if message.contains("cached plan must not change result type") => LostStatement,
        "25006" => Trouble(Reason::ReadOnly),
        "53100" => Trouble(Reason::DiskFull),
        "53300" => Trouble(Reason::TooManyConnections),
        // Timeouts of an idle transaction, of a transaction and of a statement, whose code is also that of a cancelled
        // statement; whether a transaction was completed is unknown.
        "25P03" | "25P04" | "57014" | "40003" => Trouble(Reason::Unreachable),
        // The others of this class are bugs of the server, which no retry repairs.
        "XX001" | "XX002" => Trouble(Reason::Corrupt),
        // Privileges, a missing database, one that accepts no connections.
        "42501" | "3D000" | "55000" => Trouble(Reason::AccessDenied),
        "22021" | "22P05" => Unstorable,
        _ => match code.get(..2)? {
            "08" => Trouble(Reason::Unreachable),
            "28" => Trouble(Reason::AccessDenied),
            "53" => Trouble(Reason::LimitReached),
            "58" => Trouble(Reason::DiskError),
            "57" if code.starts_with("57P") => Trouble(Reason::Unreachable),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_reason() {
        for (codes, expected) in [
            (&["25006"][..], Reason::ReadOnly),
            (&["53100"], Reason::DiskFull),
            (&["53300"], Reason::TooManyConnections),
            (&["53200", "53400", "53000"], Reason::LimitReached),
            (&["58000", "58030", "58P01"], Reason::DiskError),
            (&["XX001", "XX002"], Reason::Corrupt),
            (&["28000", "28P01", "3D000", "42501", "55000"], Reason::AccessDenied),
            (&["08000", "08006", "08P01", "57P01", "57P03", "57P05", "57014", "25P03"], Reason::Unreachable),
        ] {
            for code in codes {
                assert_eq!(verdict(code, ""), Some(Trouble(expected)), "{code}");
            }
        }
        // A duplicate key, a syntax error, a missing table, a value that is too long and an internal error are bugs.
        for code in ["23505", "42601", "42P01", "22001", "0A000", "57000", "XX000"] {
            assert_eq!(verdict(code, ""), None, "{code}");
        }
    }

    #[test]
    fn a_poolers_limit_is_told_by_its_text() {
        let text = "no more connections allowed (max_client_conn)";
        assert_eq!(verdict("08P01", text), Some(Trouble(Reason::TooManyConnections)));
    }
}
