//! The Secrets that the spec names and that do not exist, in the words of the condition that they belong to.

use crate::scauth::references::{Reference, Role};
use crate::scauth::report::input::ConditionInput;

/// Names the missing Secrets of this role, and what happens without them.
pub fn missing(input: &ConditionInput<'_>, role: Role) -> Option<String> {
    let missing: Vec<_> = input.observed.missing_secrets.iter().filter(|missing| missing.role == role).collect();
    if missing.is_empty() {
        return None;
    }
    let namespace = &input.resolved.names.namespace;
    let names = unique(missing.iter().map(|missing| missing.secret.as_str()));
    let fields = unique(missing.iter().map(|Reference { field, .. }| *field));
    let (noun, verb, it) = if names.len() == 1 { ("Secret", "is", "it") } else { ("Secrets", "are", "them") };
    let effect = match role {
        Role::Database | Role::Start if input.rollout.available == 0 => {
            format!("the pods cannot start without {it}: create {it}")
        }
        Role::Database | Role::Start => {
            format!("running pods keep what they have read, but a pod that starts now waits for {it}: create {it}")
        }
        Role::Pull => format!("an image that needs {it} cannot be pulled: create {it}, or remove {it} from the spec"),
        Role::Certificate => format!(
            "until {it} exists, the ingress controller may serve a default certificate, which clients accept only if it \
             is valid for the host: create {it}, or check the Certificate of cert-manager"
        ),
    };
    let (names, fields) = (names.join(", "), fields.join(", "));
    Some(format!("{noun} {names} {verb} missing in namespace {namespace}, see {fields}; {effect}"))
}

fn unique<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut words: Vec<_> = words.collect();
    words.sort_unstable();
    words.dedup();
    words
}
