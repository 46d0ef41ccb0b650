//! What is said of a database that pods reach but cannot use.

use serde_json::{Value, json};

use super::{Case, external, is, serving};

fn in_trouble(reason: &str) -> Value {
    let trouble = json!({"reason": reason, "message": "the database says: something (25006)"});
    json!({"version": "9.0.0", "database": {"reachable": false, "identity": "one", "trouble": trouble}})
}

#[test]
fn the_message_has_the_reason_and_what_the_database_says() {
    for (reason, part) in [
        ("ReadOnly", "read-only"),
        ("DiskFull", "full"),
        ("DiskError", "files"),
        ("Corrupt", "damaged"),
        ("TooManyConnections", "no connection left"),
        ("LimitReached", "limit"),
        ("AccessDenied", "denies"),
        ("Unreachable", "cannot reach"),
        ("Later", "cannot reach"),
    ] {
        let case = Case::new(external(), json!([serving(), in_trouble(reason)]));
        let message = is(&case.status(), "DatabaseReady", "False", "DatabaseUnreachable");
        assert!(message.contains(part) && message.ends_with(": the database says: something (25006)"), "{message}");
        is(&case.status(), "Ready", "False", "DatabaseUnreachable");
    }
}
