//! What pods warn about.

use serde_json::json;

use super::super::external;
use super::{Case, is, serving, with};

#[test]
fn a_setting_without_effect_is_named_while_clients_are_served() {
    let warning = "SC_AUTH_CORS_ORIGINS: no browser sends the origin \"https://*.test\"";
    let warned = with("warnings", json!([warning]));
    let status = Case::new(external(), json!([warned.clone(), warned, serving()])).status();
    let message = is(&status, "Ready", "True", "Serving");
    assert!(message.ends_with(&format!("replicas serve; {warning}")), "{message}");
}
