//! What an error of the database server says.

use sc_auth_contract::status::TroubleReason;

/// What an error of the database server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The statement was aborted, and may succeed when it is sent again.
    Retry,
    /// The connection has lost its prepared statements; another one has them.
    LostStatement,
    /// The database cannot be used at present.
    Trouble(TroubleReason),
    /// The database cannot store a character of a text.
    Unstorable,
}
