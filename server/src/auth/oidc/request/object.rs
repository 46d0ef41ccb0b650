//! Request objects (OpenID Connect Core, 6.1), which are not supported: they only decide how the client gets that error.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// How the client wants to be answered. No signature is needed: anybody can send the same outside of the object.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RequestObject {
    pub response_mode: Option<String>,
    pub state: Option<String>,
}

impl RequestObject {
    /// Empty if it cannot be read.
    pub fn read(token: &str) -> Self {
        let payload = token.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
        let claims: Value = payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default();
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        Self { response_mode: text("response_mode"), state: text("state") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_says_how_to_answer() {
        let read = |payload: &str| RequestObject::read(&format!("e30.{}.", URL_SAFE_NO_PAD.encode(payload)));
        let full = read(r#"{"response_mode":"form_post","state":"s","scope":"openid"}"#);
        assert_eq!((full.response_mode.as_deref(), full.state.as_deref()), (Some("form_post"), Some("s")));
        for unreadable in ["", "[]", "7", "{", r#"{"state":7}"#] {
            assert_eq!(read(unreadable), RequestObject::default(), "{unreadable}");
        }
        for broken in ["", ".", "a.b", "e30.?.", "e30"] {
            assert_eq!(RequestObject::read(broken), RequestObject::default(), "{broken}");
        }
    }
}
