//! The Secrets and ConfigMaps that the spec names and that do not exist, in the words of the condition that they belong to.

use crate::scauth::references::{Kind, Reference, Role};
use crate::scauth::report::input::ConditionInput;
use crate::shared::reasons::Reason;

/// Names the missing objects of this role, and what happens without them.
pub fn missing(input: &ConditionInput<'_>, role: Role) -> Option<String> {
    let missing: Vec<_> = of_role(input, role).collect();
    let kinds = [(Kind::Secret, "Secret", "Secrets"), (Kind::ConfigMap, "ConfigMap", "ConfigMaps")];
    let namespace = &input.resolved.names.namespace;
    let sentences = kinds.iter().filter_map(|(kind, one, several)| {
        let missing: Vec<_> = missing.iter().filter(|missing| missing.kind == *kind).collect();
        let names = unique(missing.iter().map(|missing| missing.name.as_str()));
        let fields = unique(missing.iter().map(|Reference { field, .. }| *field)).join(", ");
        let (noun, verb) = if names.len() == 1 { (one, "is") } else { (several, "are") };
        let names = names.join(", ");
        (!missing.is_empty()).then(|| format!("{noun} {names} {verb} missing in namespace {namespace}, see {fields}"))
    });
    let sentences: Vec<_> = sentences.collect();
    let count = unique(missing.iter().map(|missing| missing.name.as_str())).len();
    let effect = effect(role, if count == 1 { "it" } else { "them" }, input.rollout.available > 0);
    (!sentences.is_empty()).then(|| format!("{}; {effect}", sentences.join("; ")))
}

/// The reason for what [`missing`] names.
pub fn reason(input: &ConditionInput<'_>, role: Role) -> Reason {
    let is_secret = of_role(input, role).any(|missing| missing.kind == Kind::Secret);
    if is_secret { Reason::SecretNotFound } else { Reason::ConfigMapNotFound }
}

fn of_role<'a>(input: &'a ConditionInput<'_>, role: Role) -> impl Iterator<Item = &'a Reference> {
    input.observed.missing.iter().filter(move |missing| missing.role == role)
}

fn effect(role: Role, it: &str, has_pods: bool) -> String {
    match role {
        Role::Database | Role::Start if has_pods => {
            format!("running pods keep what they have read, but a pod that starts now waits for {it}: create {it}")
        }
        Role::Database | Role::Start => format!("the pods cannot start without {it}: create {it}"),
        Role::Pull => format!("an image that needs {it} cannot be pulled: create {it}, or remove {it} from the spec"),
        Role::Certificate => format!(
            "until {it} exists, the ingress controller may serve a default certificate, which clients accept only if it \
             is valid for the host: create {it}, or check the Certificate of cert-manager"
        ),
    }
}

fn unique<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut words: Vec<_> = words.collect();
    words.sort_unstable();
    words.dedup();
    words
}
