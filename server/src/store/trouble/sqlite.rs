//! The result codes of SQLite. The lowest byte is the primary code, the rest of an extended code says more.

use sc_auth_contract::status::TroubleReason as Reason;

use super::verdict::Verdict::{self, Retry, Trouble};

/// The write-ahead log is being recovered by another connection.
const READONLY_RECOVERY: i32 = 264;
const BUSY_RECOVERY: i32 = 261;
/// Another connection has written since the transaction began to read.
const BUSY_SNAPSHOT: i32 = 517;
/// The file was moved or removed.
const READONLY_DBMOVED: i32 = 1032;
const IOERR_NOMEM: i32 = 3082;

pub fn verdict(code: i32) -> Option<Verdict> {
    Some(match code {
        READONLY_RECOVERY | BUSY_RECOVERY | BUSY_SNAPSHOT => Retry,
        READONLY_DBMOVED => Trouble(Reason::Unreachable),
        IOERR_NOMEM => Trouble(Reason::LimitReached),
        _ => match code & 0xff {
            // BUSY, after the library has waited for the lock.
            5 => Trouble(Reason::Locked),
            // LOCKED, and PROTOCOL, which is a lock of the write-ahead log that was lost too often.
            6 | 15 => Retry,
            // PERM, AUTH
            3 | 23 => Trouble(Reason::AccessDenied),
            // NOMEM
            7 => Trouble(Reason::LimitReached),
            // READONLY
            8 => Trouble(Reason::ReadOnly),
            // IOERR
            10 => Trouble(Reason::DiskError),
            // CORRUPT, FORMAT, NOTADB
            11 | 24 | 26 => Trouble(Reason::Corrupt),
            // FULL
            13 => Trouble(Reason::DiskFull),
            // ABORT, INTERRUPT, CANTOPEN, NOLFS
            4 | 9 | 14 | 22 => Trouble(Reason::Unreachable),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primary_and_extended_codes_have_their_reason() {
        for (codes, expected) in [
            (&[8, 520, 776, 1288, 1544][..], Reason::ReadOnly),
            (&[13], Reason::DiskFull),
            (&[10, 266, 522, 778, 1034, 4874, 5386], Reason::DiskError),
            (&[11, 267, 779, 26, 24], Reason::Corrupt),
            (&[14, 270, 526, 1032], Reason::Unreachable),
            (&[7, 3082], Reason::LimitReached),
            (&[5, 773], Reason::Locked),
        ] {
            for code in codes {
                assert_eq!(verdict(*code), Some(Trouble(expected)), "{code}");
            }
        }
        for code in [261, 517, 6, 262, 264, 15] {
            assert_eq!(verdict(code), Some(Retry), "{code}");
        }
        // ERROR, CONSTRAINT, MISMATCH, MISUSE and RANGE are bugs.
        for code in [1, 19, 2067, 20, 21, 25] {
            assert_eq!(verdict(code), None, "{code}");
        }
    }
}
