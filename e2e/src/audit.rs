//! The operator's requests to the API server, from the audit log, which has all of them.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kube::eventually;

const OPERATOR: &str = "system:serviceaccount:sc-auth-system:sc-auth-operator";

/// One request of the operator, and its outcome.
pub struct Request {
    /// The verb of RBAC.
    pub verb: String,
    /// The API group, empty for the core one.
    pub group: String,
    /// The resource of RBAC, with its subresource: `scauths/status`.
    pub resource: String,
    /// The URI, with its query.
    pub uri: String,
    /// The status of the answer; 0 without an answer.
    pub code: u64,
    /// The message of a failure.
    pub message: String,
}

impl Request {
    /// Whether it may have changed something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// How long the operator must be silent before it counts as finished.
const SILENCE: Duration = Duration::from_secs(10);

/// Waits until the operator has sent no request whose URI contains `part` for ten seconds; its Lease does not count.
pub fn wait_for_silence(part: &str) {
    let (mut count, mut since) = (0, Instant::now());
    eventually("the operator has nothing more to do", || {
        let concern = requests(0).0.into_iter().filter(|request| request.resource != "leases");
        let now = concern.filter(|request| request.uri.contains(part)).count();
        if now != count {
            (count, since) = (now, Instant::now());
        }
        since.elapsed() > SILENCE
    });
}

/// Its requests since line `from` of the log, and where that log ends now.
pub fn requests(from: usize) -> (Vec<Request>, usize) {
    let path = std::env::var("SCDEV_AUDIT_LOG").expect("SCDEV_AUDIT_LOG is not set; run `make test`");
    let log = std::fs::read_to_string(path).unwrap();
    // The last line may be half written.
    let lines: Vec<_> = log.split_inclusive('\n').filter(|line| line.ends_with('\n')).collect();
    let events = lines[from..].iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let requests = events.filter(|event| event["user"]["username"] == OPERATOR).map(|event| Request {
        verb: text(&event["verb"]),
        group: text(&event["objectRef"]["apiGroup"]),
        resource: match event["objectRef"]["subresource"].as_str() {
            Some(subresource) => format!("{}/{subresource}", text(&event["objectRef"]["resource"])),
            None => text(&event["objectRef"]["resource"]),
        },
        uri: text(&event["requestURI"]),
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        message: text(&event["responseStatus"]["message"]),
    });
    (requests.collect(), lines.len())
}
